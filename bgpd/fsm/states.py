"""The six states of a BGP session, numbered as the MIB numbers them.

RFC 4271 8.2.2, RFC 4273 (bgpPeerState).
"""

from enum import IntEnum
from typing import Final


class State(IntEnum):
    """State of the finite state machine; a higher one is nearer to a session."""

    IDLE = 1
    CONNECT = 2
    ACTIVE = 3
    OPEN_SENT = 4
    OPEN_CONFIRM = 5
    ESTABLISHED = 6

    @property
    def title(self) -> str:
        """The state's name in the RFC: ``OpenSent``."""
        return _TITLES[self]

    def __str__(self) -> str:
        return _TITLES[self]


_TITLES: Final = {state: state.name.replace("_", " ").title().replace(" ", "") for state in State}
