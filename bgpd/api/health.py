"""Whether the daemon is alive and whether it is ready: what probes ask.

Alive: it answers, for an event loop that is stuck does not. Ready, as Calico's probe has it: without peers always;
within the first 30 seconds once every expected peer is established and recovery after a restart is over; later with
one peer. A node that an operator drains is not ready.
"""

from typing import Final

from msgspec import Struct

GRACE: Final = 30.0  # seconds after the start


class Health(Struct, frozen=True):
    """The answer to a probe."""

    is_ready: bool
    why: str


def readiness(*, expected: int, up: int, is_recovering: bool, is_draining: bool, age: float) -> Health:
    """Return the verdict; age: seconds since the start; expected, up: peers."""
    if is_draining:
        return Health(False, "the node is drained")
    if expected == 0:
        return Health(True, "no peer is expected")
    if age <= GRACE:
        if is_recovering:
            return Health(False, "recovery after a restart goes on: not every peer has sent all its routes")
        return Health(up == expected, f"{up} of {expected} expected peers are established")
    return Health(up > 0, f"{up} of {expected} expected peers are established, one is needed")
