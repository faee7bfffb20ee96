"""docs/configuration.md and the model say the same."""

from pathlib import Path

from bgpd.config.reference import reference
from bgpd.config.tables.peer import PeerTable
from bgpd.config.tables.session import DEFAULT_SESSION

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"
MARK = "<!-- made by `python -m bgpd.config.reference` -->\n\n"


def test_the_document_holds_the_reference_of_the_model() -> None:
    _, mark, printed = DOCUMENT.read_text().partition(MARK)
    assert mark, "the mark before the reference is gone"
    assert printed == reference() + "\n", "put the output of `python -m bgpd.config.reference` behind the mark"


def test_every_key_of_a_peer_is_in_the_reference() -> None:
    text = reference()
    assert all(f"| `{name}` |" in text for name in PeerTable.__struct_encode_fields__)


def test_session_keys_show_the_default_that_peers_get() -> None:
    assert f"| `hold_time` | a number of seconds: 0, or 3 to 65535 | `{DEFAULT_SESSION.hold_time}` |" in reference()
