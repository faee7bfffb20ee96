"""Which routes are not in the kernel as they should be, why, and when they are tried again.

A route that the kernel refuses is tried again with growing pauses. A route that somebody else keeps changing is put
back at once the first time and then with growing pauses too, so that two programs do not fight at full speed.
"""

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable, Iterable
from typing import Final

from bgpd.families import Family
from bgpd.kernel.netlink import Refusal
from bgpd.records import dataclass

_FIRST_PAUSE: Final = 1.0  # seconds until a route is tried again, doubling
_LONGEST_PAUSE: Final = 30.0
_CALM: Final = 10.0  # seconds without interference after which a route is put back at once again
_SOON: Final = 0.05  # seconds from a link's news to trying everything again

Key = tuple[Family, bytes]


@dataclass(frozen=True, slots=True)
class FibFailure:
    """Why a route is not in the kernel. since: loop time of the first attempt. attempts: since then."""

    text: str
    errno: int
    since: float
    attempts: int


@dataclass(slots=True)
class _Interference:
    """Somebody else's hands on a route of ours. count: in a row. at: loop time of the last."""

    count: int
    at: float


class Retries:
    """Failures and their timers. again: called with the routes whose time has come."""

    def __init__(self, loop: AbstractEventLoop, again: Callable[[Iterable[Key]], None]) -> None:
        self.failures: dict[Key, FibFailure] = {}
        self._loop = loop
        self._again = again
        self._due: dict[Key, float] = {}
        self._interference: dict[Key, _Interference] = {}
        self._timer: TimerHandle | None = None
        self._soon: TimerHandle | None = None

    def is_empty(self) -> bool:
        """Is there nothing that could be forgotten?"""
        return not self.failures and not self._due

    def failed(self, key: Key, refusal: Refusal) -> bool:
        """Note a refusal, to be tried again after a pause; is it news?"""
        before = self.failures.get(key)
        now = self._loop.time()
        attempts = before.attempts + 1 if before else 1
        self.failures[key] = FibFailure(refusal.text, refusal.errno, before.since if before else now, attempts)
        self._try_again(key, now + _pause(attempts))
        return before is None or before.errno != refusal.errno

    def wait(self, key: Key) -> None:
        """Try again after the first pause something that is not a wanted route: a deletion."""
        self._try_again(key, self._loop.time() + _FIRST_PAUSE)

    def interfered(self, key: Key, *, is_wanted: bool) -> bool:
        """Note that somebody else changed our route; is it to be put right at once?"""
        now = self._loop.time()
        seen = self._interference.setdefault(key, _Interference(0, now))
        seen.count = 1 if now - seen.at > _CALM else seen.count + 1
        seen.at = now
        self._look_later()
        if seen.count == 1:
            return True
        if is_wanted:
            since = self.failures[key].since if key in self.failures else now
            self.failures[key] = FibFailure("another program keeps changing or deleting it", 0, since, seen.count)
        self._try_again(key, now + _pause(seen.count - 1))
        return False

    def forget(self, key: Key) -> None:
        """It is as it should be, or no longer wanted."""
        self.failures.pop(key, None)
        self._due.pop(key, None)

    def forget_all(self) -> None:
        """None of it matters any more."""
        self.failures.clear()
        self._due.clear()

    def soon(self) -> None:
        """Try everything again soon: what was in the way may be gone."""
        if self._due and self._soon is None:
            self._soon = self._loop.call_later(_SOON, self._try_everything)

    def close(self) -> None:
        """Stop the timers."""
        for timer in (self._timer, self._soon):
            if timer is not None:
                timer.cancel()

    def _try_again(self, key: Key, at: float) -> None:
        self._due[key] = at
        self._look_later()

    def _look_later(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(_FIRST_PAUSE, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        self._interference = {key: seen for key, seen in self._interference.items() if now - seen.at < _CALM}
        self._release([key for key, at in self._due.items() if at <= now])
        if self._due or self._interference:
            self._look_later()

    def _try_everything(self) -> None:
        self._soon = None
        self._release(list(self._due))

    def _release(self, keys: list[Key]) -> None:
        for key in keys:
            del self._due[key]
        if keys:
            self._again(keys)


def _pause(attempts: int) -> float:
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(attempts - 1, 10))
