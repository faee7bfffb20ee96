"""Target: a whole speaker in memory that is told anything by one peer, beside a second one that must not notice.

RFC 4271 section 8. The speaker runs on virtual time; both peers are octets. Octet 1 of an input chooses what the
hostile peer says first (nothing, or a good OPEN of one of several kinds and a KEEPALIVE) and, by its highest bit,
whether the rest is a stream as it is or messages to be framed (type, length of two octets, body); octet 2 by how many
octets it comes.
"""

import asyncio
from typing import Final

from bgpd.addresses import parse_address, parse_prefix
from bgpd.families import IPV4_UNICAST
from bgpd.identity import Asn
from bgpd.messages.attributes import block
from bgpd.messages.capabilities import (
    AddPath,
    EnhancedRouteRefresh,
    ExtendedMessage,
    ExtendedNextHop,
    FourOctetAs,
    GracefulRestartCapability,
    LongLivedFamily,
    LongLivedGracefulRestart,
    MultiProtocol,
    PathIdFamily,
    RestartFamily,
    RouteRefresh,
)
from bgpd.messages.framing import Framer, MessageType, frame
from bgpd.messages.keepalive import KEEPALIVE
from bgpd.messages.negotiated import MAX_EXTENDED_MESSAGE
from bgpd.messages.open import Open
from bgpd.messages.update import announce, decode, end_of_rib
from tests.support.cluster import Cluster, address, network, peer
from tests.support.speakers import opening, settings

HOSTILE: Final = 2
HEALTHY: Final = 3
RAW: Final = 0x80

_BOTH: Final = (MultiProtocol(1, 1), MultiProtocol(2, 1), RouteRefresh(), FourOctetAs(Asn(65002)))
_RESTART: Final = GracefulRestartCapability(60, (RestartFamily(1, 1, is_preserved=True),), has_notification=True)
_PATH_IDS: Final = AddPath((PathIdFamily(1, 1, receives=True, sends=True), PathIdFamily(2, 1, True, True)))


def _opening(*capabilities: object) -> Open:
    return Open(4, Asn(65002), 90, opening().identifier, capabilities)  # type: ignore[arg-type]  # all are capabilities


OPENINGS: Final = (
    None,
    _opening(),
    _opening(*_BOTH),
    _opening(*_BOTH, EnhancedRouteRefresh(), ExtendedMessage()),
    _opening(*_BOTH, _PATH_IDS, ExtendedNextHop(((1, 1, 2),))),
    _opening(*_BOTH, _RESTART, LongLivedGracefulRestart((LongLivedFamily(1, 1, 60, is_preserved=True),))),
    _opening(MultiProtocol(1, 1), MultiProtocol(2, 1)),  # two-octet AS numbers
)

_PREFIXES: Final = ("10.9.0.0/16", "10.9.9.0/24", "172.16.0.0/12")
_OPTIONS: Final = {"passive": "true", "local_address": f'"{address(1)}"'}
_CONFIGURATION: Final = "\n".join(
    (
        peer(HOSTILE, asn="65002", ebgp_requires_policy="false", **_OPTIONS),
        peer(HEALTHY, asn="64512", **_OPTIONS),
        network("192.0.2.0/24"),
    )
)


class Wire(asyncio.Protocol):
    """The far end of a connection: what was heard, as messages."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, bytes]] = []
        self.is_closed = False
        self.transport: asyncio.Transport
        self._framer = Framer(MAX_EXTENDED_MESSAGE)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        messages = self._framer.feed(data)
        assert self._framer.error is None, self._framer.error
        self.heard += [(kind, self._framer.buffer[start:end]) for kind, start, end in messages]

    def connection_lost(self, error: Exception | None) -> None:
        self.is_closed = True

    def has_heard(self, kind: int) -> bool:
        """Did a message of this type come?"""
        return any(found == kind for found, _ in self.heard)


def connection(octets: bytes) -> None:
    """The healthy session and its routes stay, nothing is raised in the loop, of the hostile peer nothing is left."""
    if len(octets) < 2:
        return
    cluster = Cluster()
    faults: list[dict[str, object]] = []
    cluster.loop.set_exception_handler(lambda _, context: faults.append(context))
    try:
        cluster.start(1, _CONFIGURATION)
        healthy = _dial(cluster, HEALTHY)
        _greet(cluster, healthy, opening(64512, address(HEALTHY), 90))
        keys = [parse_prefix(text)[1] for text in _PREFIXES]
        attributes = block.make(origin=0, local_pref=100)
        for message in announce(IPV4_UNICAST, attributes.octets, parse_address(address(HEALTHY)), keys, 4096):
            healthy.transport.write(message)
        healthy.transport.write(end_of_rib(IPV4_UNICAST))
        hostile = _dial(cluster, HOSTILE)
        _attack(cluster, hostile, octets)
        _check_healthy(cluster, healthy, keys)
        hostile.transport.close()
        cluster.run(0.1)
        _check_healthy(cluster, healthy, keys)
        _check_hostile(cluster, hostile)
        cluster.run(200)  # longer than any restart time: nothing is kept
        assert cluster.peer(1, HOSTILE).negotiated is None
        assert not any(len(rib) for rib in cluster.peer(1, HOSTILE).adj_ribs_in.values())
    finally:
        cluster.close()
    assert not faults, faults


def _dial(cluster: Cluster, number: int) -> Wire:
    host = cluster.network.host(address(number))
    wire = Wire()
    port = cluster.speakers[1].config.node.port
    where = settings(address(1), local_address=parse_address(address(number)), port=port)
    cluster.loop.run_until_complete(host.dial(where, wire))
    return wire


def _greet(cluster: Cluster, wire: Wire, message: Open) -> None:
    wire.transport.write(message.encode() + KEEPALIVE)
    cluster.run(0.01)


def _attack(cluster: Cluster, wire: Wire, octets: bytes) -> None:
    choice, step = octets[0], octets[1] or len(octets)
    first = OPENINGS[(choice & ~RAW) % len(OPENINGS)]
    if first is not None:
        _greet(cluster, wire, first)
    stream = octets[2:] if choice & RAW else framed(octets[2:])
    for position in range(0, len(stream), step):
        if wire.is_closed:
            break
        wire.transport.write(stream[position : position + step])
    cluster.run(0.2)


def framed(items: bytes) -> bytes:
    """Return the messages: each a type, a length of two octets, and so many octets of body, or what there is."""
    found, position = bytearray(), 0
    while position + 3 <= len(items):
        stop = position + 3 + (int.from_bytes(items[position + 1 : position + 3]) & 0x0FFF)
        found += frame(items[position], items[position + 3 : stop])
        position = stop
    return bytes(found)


def _check_healthy(cluster: Cluster, wire: Wire, keys: list[bytes]) -> None:
    """Its session is up, its routes are there, and what it was told is good."""
    speaker, peer = cluster.speakers[1], cluster.peer(1, HEALTHY)
    assert peer.negotiated is not None, "the healthy session is down"
    assert not wire.is_closed
    assert not wire.has_heard(MessageType.NOTIFICATION)
    assert sorted(peer.adj_ribs_in[IPV4_UNICAST].routes.keys()) == sorted(keys)
    for key in keys:
        candidates = speaker.loc_ribs[IPV4_UNICAST].table[key]
        assert any(path.source.name == peer.settings.name for path in candidates)
    for kind, body in wire.heard:
        if kind == MessageType.UPDATE:
            update = decode(body, 0, len(body), peer.negotiated)
            assert not update.faults
            if update.announced:
                assert not block.parse(update.attributes, peer.negotiated, None).faults


def _check_hostile(cluster: Cluster, wire: Wire) -> None:
    """Whoever is closed has heard why, at the end."""
    kinds = [kind for kind, _ in wire.heard]
    assert MessageType.NOTIFICATION not in kinds[:-1]
    assert cluster.peer(1, HOSTILE).negotiated is None
