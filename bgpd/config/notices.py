"""What a valid configuration asks for that this version does not do; said at the start and by ``--check``.

A key that is read and silently does nothing would leave its author guessing.
"""

from collections.abc import Iterator

from bgpd.config.resolved import Resolved, ResolvedPeer


def notices(config: Resolved) -> tuple[str, ...]:
    """Return a line for each such key, in the order of the file; empty = everything asked for is there."""
    return tuple(_notices(config))


def _notices(config: Resolved) -> Iterator[str]:
    for peer in (*config.peers, *(one.template for one in config.ranges)):
        yield from _of_peer(peer)


def _of_peer(peer: ResolvedPeer) -> Iterator[str]:
    if peer.max_stale_time and not peer.graceful_restart:
        yield f"peer {peer.name}: long_lived_graceful_restart: not in use, graceful_restart is not enabled (RFC 9494)"
