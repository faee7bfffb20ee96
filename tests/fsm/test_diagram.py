"""docs/fsm.md and the table say the same."""

from pathlib import Path

from bgpd.fsm.diagram import reference
from bgpd.fsm.states import State
from bgpd.fsm.transitions import TRANSITIONS

DOCUMENT = Path(__file__).parents[2] / "docs" / "fsm.md"
MARK = "<!-- made by `python -m bgpd.fsm.diagram` -->\n\n"


def test_the_document_holds_the_diagram_of_the_table() -> None:
    _, mark, printed = DOCUMENT.read_text().partition(MARK)
    assert mark, "the mark before the diagram is gone"
    assert printed == reference() + "\n", "put the output of `python -m bgpd.fsm.diagram` behind the mark"


def test_every_event_of_the_table_and_every_state_is_shown() -> None:
    text = reference()
    assert all(f"| {event.__name__} |" in text for _, event in TRANSITIONS)
    assert all(f"| {state.title} " in text for state in State)
