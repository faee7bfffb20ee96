"""Replays a recording: a speaker in memory on virtual time, and the peer's octets at the times of the recording.

Octets of a connection come as long after its opening as they came then; a connection of the peer opens at its time
since the start. What our side makes of it is lines of text: states, messages but KEEPALIVE, ends, and tables.
"""

import asyncio
from collections import defaultdict
from dataclasses import replace
from typing import Final

from bgpd.addresses import format_prefix, parse_address
from bgpd.fsm.actions import SessionEnd
from bgpd.fsm.states import State
from bgpd.messages.framing import Framer, MessageType
from bgpd.messages.negotiated import MAX_EXTENDED_MESSAGE, Negotiated
from bgpd.session.settings import SessionSettings
from conformance.replay.recording import Recording, What, WireEvent
from tests.support.cluster import Cluster, address
from tests.support.memory_network import MemoryHost, MemoryNetwork
from tests.support.speakers import settings

US: Final = 1
PEER: Final = 2
_LATENCY: Final = 1e-6  # seconds: what the peer said in answer to us must not overtake what we say
_AFTER: Final = 2.0  # seconds that go on behind the last event


class _Far(asyncio.Protocol):
    """The peer's end of one connection: says what it said, notes what it hears."""

    def __init__(self, play: "Play", number: int, events: list[WireEvent]) -> None:
        self._play = play
        self._number = number
        self._events = events
        self._framer = Framer(MAX_EXTENDED_MESSAGE)
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._opened = self._play.cluster.loop.time() - self._events[0].at
        self._next(1)

    def _next(self, index: int) -> None:
        """Arm the next event: one after the other, since timers that are due together keep no order."""
        if index < len(self._events):
            self._play.cluster.loop.call_at(self._opened + self._events[index].at, self._act, index)

    def _act(self, index: int) -> None:
        event = self._events[index]
        self._next(index + 1)
        if event.what is What.RECEIVED:
            self._transport.write(event.octets)
        elif event.what is What.RESET:
            self._transport.abort()
        elif event.what is What.FIN and not self._transport.is_closing():
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        for kind, start, end in self._framer.feed(data):
            if kind != MessageType.KEEPALIVE:
                self._play.sent(self._number, kind, self._framer.buffer[start:end])


class _Host(MemoryHost):
    """Our host: its dials succeed when they did in the recording, and never again after that."""

    def __init__(self, network: MemoryNetwork, addresses: tuple[bytes, ...], times: list[float]) -> None:
        super().__init__(network, addresses)
        self._times = times

    async def dial(self, settings: SessionSettings, connection: asyncio.Protocol) -> None:
        loop = self.network.loop
        if not self._times:
            await loop.create_future()
        await asyncio.sleep(self._times.pop(0) - loop.time())
        await super().dial(settings, connection)


class Play:
    """One replay. lines: what our side made of it. messages: what it sent, by connection: type and body."""

    def __init__(self, recording: Recording) -> None:
        self.lines: list[str] = []
        self.messages: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
        self.cluster = Cluster(latency=_LATENCY)
        self._recording = recording
        self._by_connection: dict[int, list[WireEvent]] = defaultdict(list)
        for event in recording.wire:
            self._by_connection[event.connection].append(event)
        self._dials = [events for events in self._by_connection.values() if events[0].what is What.DIAL]

    def run(self) -> None:
        """Replay it all."""
        cluster, recording = self.cluster, self._recording
        try:
            loop, network, here = cluster.loop, cluster.network, parse_address(address(US))
            network.hosts[here] = _Host(network, (here,), [events[0].at for events in self._dials])
            host = network.host(address(PEER))
            if self._dials:
                loop.run_until_complete(host.listen(parse_address(address(PEER)), 179, self._answer))
            speaker = cluster.start(US, recording.config, asn=recording.asn)
            self._watch()
            for event in recording.wire:
                if event.what is What.ACCEPT:
                    loop.call_at(event.at, lambda event=event: loop.create_task(self._dial(event)))
                elif event.what is What.LOOK:
                    loop.call_at(event.at, self._look)
            cluster.run(recording.wire[-1].at + _AFTER)
            self._look()
            assert speaker is cluster.speakers[US]
        finally:
            cluster.close()

    def sent(self, number: int, kind: int, body: bytes) -> None:
        """Note a message of ours."""
        self.messages[number].append((kind, body))
        self._note(f"{number} sent {MessageType(kind).name} {body.hex()}".rstrip())

    def _answer(self) -> asyncio.Protocol:
        events = self._dials.pop(0)
        return _Far(self, events[0].connection, events)

    async def _dial(self, event: WireEvent) -> None:
        where = settings(address(US), local_address=parse_address(address(PEER)), port=179)
        far = _Far(self, event.connection, self._by_connection[event.connection])
        await self.cluster.network.hosts[parse_address(address(PEER))].dial(where, far)

    def _watch(self) -> None:
        """Hear what the session tells its peer object, which hears it too."""
        peer = self.cluster.peer(US, PEER)
        changed, up, down = peer.state_changed, peer.session_up, peer.session_down

        def state_changed(old: State, new: State) -> None:
            self._note(f"{old.title} > {new.title}")
            changed(old, new)

        def session_up(negotiated: Negotiated) -> None:
            families = " ".join(family.name for family in negotiated.families)
            self._note(f"up: AS {negotiated.remote_asn}, hold time {negotiated.hold_time}, {families}")
            up(negotiated)

        def session_down(end: SessionEnd) -> None:
            self._note(f"down: {end.kind.value}: {end.why}")
            down(end)

        for heard in (state_changed, session_up, session_down):
            setattr(peer, heard.__name__, heard)

    def _look(self) -> None:
        """Write down what the peer announced, as our tables have it."""
        rows = []
        for family, rib in self.cluster.peer(US, PEER).adj_ribs_in.items():
            for key, path in rib.routes.items():
                octets = path.attributes.octets.hex()
                is_used = any(one.source is path.source for one in self._candidates(family.name, key))
                notes = "".join(
                    f" {note}"
                    for note, holds in (("stale", path.is_stale or key in rib.stale), ("used", is_used))
                    if holds
                )
                rows.append(f"  {format_prefix(family, key)}{notes} {octets}")
        self._note(f"look: {len(rows)} routes")
        self.lines += sorted(rows)

    def _candidates(self, family: str, key: bytes) -> tuple[object, ...]:
        for found, rib in self.cluster.speakers[US].loc_ribs.items():
            if found.name == family:
                return tuple(rib.table.get(key, ()))
        return ()

    def _note(self, text: str) -> None:
        self.lines.append(f"{self.cluster.loop.time():.1f} {text}")


def recorded_messages(recording: Recording) -> dict[int, list[tuple[int, bytes]]]:
    """Return what we sent when it was recorded, without KEEPALIVE, by connection."""
    found: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
    framers: dict[int, Framer] = defaultdict(lambda: Framer(MAX_EXTENDED_MESSAGE))
    for event in recording.wire:
        if event.what is What.SENT:
            framer = framers[event.connection]
            for kind, start, end in framer.feed(event.octets):
                if kind != MessageType.KEEPALIVE:
                    found[event.connection].append((kind, framer.buffer[start:end]))
    return found


def with_expected(recording: Recording) -> Recording:
    """Return the recording with what our side makes of it now."""
    play = Play(recording)
    play.run()
    return replace(recording, expected=tuple(play.lines))
