"""A message that was not as it should be, kept for people; and how many log lines about such a peer may write.

RFC 7606 section 2: the whole malformed message is logged. Times are seconds on the loop's clock.
"""

from typing import Final

from bgpd.records import dataclass

LINES_PER_MINUTE: Final = 20
KEPT: Final = 4096
"""Octets of a faulty message that stay in memory; the log has them all."""
_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class FaultyMessage:
    """The last one of a peer. octets: with its header, at most ``KEPT``. size: octets that it had. at: when it came."""

    reason: str
    octets: bytes
    size: int
    at: float

    @classmethod
    def of(cls, reason: str, octets: bytes, at: float) -> "FaultyMessage":
        """Return what is kept of a message."""
        return cls(reason, octets[:KEPT], len(octets), at)


class LineLimit:
    """Counts log lines, or what else must not become too many, by the minute."""

    __slots__ = ("_lines", "_minute", "_most")

    def __init__(self, most: int = LINES_PER_MINUTE) -> None:
        self._most = most
        self._minute = -1.0
        self._lines = 0

    def left(self, now: float) -> int:
        """Take a line; return how many were left with it, 0 = none: then it must not be written."""
        minute = now // _MINUTE
        if minute != self._minute:
            self._minute, self._lines = minute, 0
        self._lines += 1
        return max(0, self._most + 1 - self._lines)
