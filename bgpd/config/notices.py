"""What a valid configuration asks for that does not come about; said at the start and by ``--check``.

A key that is read and silently does nothing would leave its author guessing.
"""

from collections.abc import Iterator

from bgpd.addresses import covers, host_prefix
from bgpd.config.resolved import Resolved, ResolvedPeer
from bgpd.families import FAMILY_BY_ADDRESS_SIZE


def notices(config: Resolved) -> tuple[str, ...]:
    """Return a line for each such key, in the order of the file; empty = everything asked for is there."""
    return tuple(_notices(config))


def _notices(config: Resolved) -> Iterator[str]:
    for peer in (*config.peers, *(one.template for one in config.ranges)):
        yield from _of_peer(peer)
    yield from _unsigned(config)


def _unsigned(config: Resolved) -> Iterator[str]:
    """Yield a line for each peer without a key whose segments the kernel drops, since a range around it is signed."""
    for peer in config.peers:
        if peer.is_unnumbered or peer.held_down or peer.password is not None or peer.tcp_ao:
            continue
        family, prefix = FAMILY_BY_ADDRESS_SIZE[len(peer.address)], host_prefix(peer.address)
        for source in config.ranges:
            is_signed = source.template.password is not None or bool(source.template.tcp_ao)
            if is_signed and source.family is family and covers(source.prefix, prefix):
                how = (
                    "it waits for the peer (passive), so it cannot come up"
                    if peer.passive
                    else "only our dial can work"
                )
                yield f"peer {peer.name}: not signed, but the kernel asks all of range {source.name} for that: {how}"


def _of_peer(peer: ResolvedPeer) -> Iterator[str]:
    if peer.max_stale_time and not peer.graceful_restart:
        yield f"peer {peer.name}: long_lived_graceful_restart: not in use, graceful_restart is not enabled (RFC 9494)"
