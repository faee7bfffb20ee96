"""What a configuration would do to a running speaker: sessions that reset, routes that change."""

from collections.abc import Iterator

from bgpd.config import Resolved, diff
from bgpd.speaker import Speaker


def plan(speaker: Speaker, config: Resolved) -> Iterator[str]:
    """Yield a line for each difference; where routes are judged again, how many there are of them."""
    changes = diff(speaker.config, config)
    yield from changes.summary()
