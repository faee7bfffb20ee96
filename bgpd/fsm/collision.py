"""Connection collision: which of two connections with one peer stays.

RFC 4271 6.8; RFC 6286 2.3 (equal identifiers: the AS number decides); RFC 4724 section 5 (a restarted peer's new
connection replaces the session). Identifiers and AS numbers are host-order integers.

The RFC looks only at connections whose OPEN has come. Two ends that start at one moment can then each establish, or
close, the other's choice. So the connection that would lose waits for a moment while the one that would win is open but
still silent: if that one speaks, nobody confirmed the other; if it closes or stays silent, nothing is lost.
"""

from enum import Enum

from bgpd.fsm.states import State
from bgpd.identity import Asn, BgpIdentifier
from bgpd.records import dataclass


class Verdict(Enum):
    """What to do when an OPEN came on a new connection while there is another one."""

    NO_COLLISION = "no collision"
    CLOSE_NEW = "close new"
    CLOSE_EXISTING = "close existing"
    REPLACE_EXISTING = "replace existing"
    WAIT_FOR_EXISTING = "wait for existing"


@dataclass(frozen=True, slots=True, order=True)
class Rank:
    """What decides between two speakers: the greater one's connection stays. Ordered by identifier, then AS."""

    identifier: BgpIdentifier
    asn: Asn


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two connections. is_outgoing: we dialled it."""

    state: State
    is_outgoing: bool


def resolve(existing: Side, new: Side, local: Rank, remote: Rank, *, has_graceful_restart: bool) -> Verdict:
    """Return which connection stays, now that the peer's OPEN came on the new one.

    has_graceful_restart: both sides announced it in the existing session.
    """
    if existing.state is State.ESTABLISHED:
        # RFC 4724 section 5: the peer restarted before we noticed. Otherwise RFC 4271 6.8: what works stays.
        if has_graceful_restart and not new.is_outgoing:
            return Verdict.REPLACE_EXISTING
        return Verdict.CLOSE_NEW
    if existing.state is State.CONNECT:
        return Verdict.CLOSE_EXISTING  # still a dial: once it is answered, its OPEN could undo what is agreed here
    if existing.state < State.OPEN_SENT:
        return Verdict.NO_COLLISION
    if existing.is_outgoing == new.is_outgoing:
        return Verdict.CLOSE_EXISTING  # one side dialled twice: it has given up the first
    existing_wins = existing.is_outgoing == (local > remote)
    if existing.state is State.OPEN_CONFIRM:
        return Verdict.CLOSE_NEW if existing_wins else Verdict.CLOSE_EXISTING
    return Verdict.WAIT_FOR_EXISTING if existing_wins else Verdict.NO_COLLISION
