"""Taking a peer's session down without loss, and bringing it back.

RFC 8326. First what goes over the session becomes a last resort (GRACEFUL_SHUTDOWN for another AS, LOCAL_PREF 0 within
ours), so that everybody finds another way while the old one still works; then the session is closed with Cease. Each
stage can be taken back. Seconds on the loop's clock.
"""

import asyncio
from enum import Enum
from typing import Final, Protocol

from bgpd.errors import Cease, CeaseSubcode
from bgpd.messages.notification import administrative
from bgpd.records import dataclass

_LOOK: Final = 0.1  # seconds between looks at whether all has been sent
_PATIENCE: Final = 30.0  # seconds that a peer which reads slowly gets beyond the wait


class Stage(Enum):
    """How far a peer is; the value is for people."""

    NONE = ""
    LEAVING = "draining"
    CLOSED = "drained"


@dataclass(frozen=True, slots=True)
class TakenOut:
    """What an operator took out. node: all of it. peers: by name, those that were taken out by themselves."""

    node: bool = False
    peers: frozenset[str] = frozenset()


NOTHING: Final = TakenOut()


class Drained(Protocol):
    """The peer, as draining sees it."""

    @property
    def has_told_all(self) -> bool:
        """Has the peer been sent, and taken, all that is to be said?"""

    @property
    def is_started(self) -> bool:
        """Is there a session, or may one come up at any moment?"""

    def begin_last_resort(self) -> None:
        """Announce everything as a last resort; also judge what was received so, where only this peer leaves."""

    def end_last_resort(self) -> None:
        """Take that back."""

    def close(self, cease: Cease) -> None:
        """End the session until ``reopen``, and forget what it brought."""

    def reopen(self) -> None:
        """Bring the session up again, unless configuration or operator do not want it."""


class PeerDrain:
    """The maintenance of one peer. ends: loop time at which the session is closed, None = nothing is under way."""

    __slots__ = ("_cease", "_last", "_loop", "_peer", "_timer", "ends", "stage")

    def __init__(self, peer: Drained, loop: asyncio.AbstractEventLoop) -> None:
        self.stage = Stage.NONE
        self.ends: float | None = None
        self._peer = peer
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._cease = administrative(CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, "")
        self._last = 0.0

    def begin(self, wait: float, why: str) -> None:
        """Leave the peer: close after the wait, at once if that is 0. Again while it leaves: the new wait counts."""
        if self.stage is Stage.CLOSED:
            return
        self._stop_timer()
        self._cease = administrative(CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, why)
        if wait <= 0 or not self._peer.is_started:
            self._close()
            return
        self.ends = self._loop.time() + wait
        self._last = self.ends + _PATIENCE
        if self.stage is Stage.NONE:
            self.stage = Stage.LEAVING
            self._peer.begin_last_resort()
        self._timer = self._loop.call_at(self.ends, self._look)

    def hold(self) -> None:
        """Keep a session down that has not been started yet; ``end`` starts it."""
        self.stage = Stage.CLOSED

    def end(self) -> bool:
        """Take it back; return whether there was something to take back."""
        stage, self.stage = self.stage, Stage.NONE
        self._stop_timer()
        if stage is Stage.LEAVING:
            self._peer.end_last_resort()
        elif stage is Stage.CLOSED:
            self._peer.reopen()
        return stage is not Stage.NONE

    def forget(self) -> None:
        """Drop the maintenance: an operator has decided otherwise about the session, or it is gone."""
        self.stage = Stage.NONE
        self._stop_timer()

    def _look(self) -> None:
        if not self._peer.has_told_all and self._loop.time() < self._last:
            self._timer = self._loop.call_later(_LOOK, self._look)
            return
        self._close()

    def _close(self) -> None:
        self._stop_timer()
        self.stage = Stage.CLOSED
        self._peer.close(self._cease)

    def _stop_timer(self) -> None:
        self.ends = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
