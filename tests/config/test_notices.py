import pytest

from bgpd.config import parse, resolve
from bgpd.config.notices import notices

NODE = '[node]\nname = "a"\nasn = 64512\naddresses = ["10.0.0.1/24"]\n'
PEER = '[[peer]]\nname = "b"\naddress = "10.0.0.2"\nasn = "internal"\n'


def noticed(text: str) -> tuple[str, ...]:
    return notices(resolve(parse(NODE + text, "bgp.toml")))


def test_what_is_there_needs_no_notice() -> None:
    assert noticed(PEER + 'add_path = "both"\n') == ()


def test_what_is_not_there_is_named_with_its_key() -> None:
    without = "graceful_restart = { enabled = false }\nlong_lived_graceful_restart = { stale_time = 3600 }\n"
    [stale] = noticed(PEER + without)
    assert stale.startswith("peer b: long_lived_graceful_restart:")


RANGE = '[[peer_range]]\nname = "all"\nprefix = "10.0.0.0/16"\nasn = "internal"\n'


@pytest.mark.parametrize(("more", "words"), [("passive = true\n", "cannot come up"), ("", "only our dial can work")])
def test_unsigned_peer_inside_a_signed_range_is_noticed(more: str, words: str) -> None:
    [found] = noticed(PEER + more + RANGE + 'password = "x"\n')
    assert found.startswith("peer b: not signed")
    assert "range all" in found
    assert words in found


@pytest.mark.parametrize(
    "text",
    [
        PEER + RANGE,
        PEER + 'password = "x"\n' + RANGE + 'password = "y"\n',
        PEER + RANGE.replace("10.0", "10.9") + 'password = "x"',
    ],
)
def test_peer_that_is_signed_like_the_range_or_outside_is_not_noticed(text: str) -> None:
    assert noticed(text) == ()
