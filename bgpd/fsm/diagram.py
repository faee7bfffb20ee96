"""The state machine as a picture and as a table, made from ``TRANSITIONS``: ``python -m bgpd.fsm.diagram`` prints both.

RFC 4271 8.2.2. Markdown; the picture is Mermaid.
"""

from collections.abc import Iterator

from bgpd.fsm.events import Event
from bgpd.fsm.states import State
from bgpd.fsm.transitions import OTHERWISE, TRANSITIONS


def reference() -> str:
    """Return the picture and the table."""
    return "\n".join([*_picture(), "", *_table()])


def _picture() -> Iterator[str]:
    """Yield the ways from each state to another one; what is not expected is left out, or nothing could be seen."""
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield "    [*] --> Idle"
    for source in State:
        for target in State:
            names = [
                event.__name__
                for (state, event), row in TRANSITIONS.items()
                if state is source and target in row.targets and target is not source
            ]
            if names:
                yield f"    {source.title} --> {target.title}: {'<br>'.join(names)}"
    yield "```"


def _table() -> Iterator[str]:
    """Yield the function of each event in each state, and where it may lead if that is another state."""
    yield "| RFC | event | " + " | ".join(state.title for state in State) + " |"
    yield "|---" * (len(State) + 2) + "|"
    for event in _events():
        cells = [_cell(state, event) for state in State]
        yield f"| {event.number or '–'} | {event.__name__} | {' | '.join(cells)} |"
    cells = [OTHERWISE[state].function.__name__ for state in State]
    yield f"| | *any other* | {' | '.join(cells)} |"


def _events() -> list[type[Event]]:
    found = dict.fromkeys(event for _, event in TRANSITIONS)
    return sorted(found, key=lambda event: (event.number or 100, event.__name__))


def _cell(state: State, event: type[Event]) -> str:
    row = TRANSITIONS.get((state, event))
    if row is None:
        return "·"
    targets = [target.title for target in row.targets if target is not state]
    name = row.function.__name__
    return f"{name} → {', '.join(targets)}" if targets else name


if __name__ == "__main__":
    print(reference())
