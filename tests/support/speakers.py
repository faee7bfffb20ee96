"""A small BGP speaker for tests of sessions: it records what it is told, and peers with others of its kind."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from random import Random

from bgpd.addresses import parse_address
from bgpd.errors import BgpError
from bgpd.fsm.actions import SessionEnd
from bgpd.fsm.states import State
from bgpd.identity import Asn, parse_identifier
from bgpd.messages.capabilities import (
    Capability,
    FourOctetAs,
    GracefulRestartCapability,
    MultiProtocol,
    RestartFamily,
)
from bgpd.messages.capabilities import (
    RouteRefresh as RouteRefreshCapability,
)
from bgpd.messages.negotiated import Negotiated
from bgpd.messages.open import Open
from bgpd.messages.route_refresh import RouteRefresh
from bgpd.session.connection import Inbox
from bgpd.session.listener import Listener
from bgpd.session.peer import PeerSession
from bgpd.session.settings import SessionSettings
from bgpd.session.sockets import Network

ANY_V4 = bytes(4)
RESTART = GracefulRestartCapability(120, (RestartFamily(1, 1, is_preserved=True),), has_notification=True)


def settings(address: str = "10.0.0.2", **changes: object) -> SessionSettings:
    """Return settings of an eBGP peer, AS 65002, seen from AS 65001, with changes."""
    plain = SessionSettings(
        name=address,
        address=parse_address(address),
        interface="",
        port=179,
        local_address=None,
        local_asn=Asn(65001),
        remote_asn=Asn(65002),
        peer_type=None,
        local_identifier=parse_identifier("10.0.0.1"),
        hold_time=90,
        connect_retry_time=5,
        idle_hold_first=1,
        idle_hold_max=30,
        is_passive=False,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # the fields are named by the caller


def opening(asn: int = 65002, identifier: str = "10.0.0.2", hold_time: int = 90, *more: Capability) -> Open:
    """Return an OPEN for IPv4 unicast."""
    offers = (MultiProtocol(1, 1), RouteRefreshCapability(), FourOctetAs(Asn(asn)), *more)
    return Open(4, Asn(asn), hold_time, parse_identifier(identifier), offers)


class RecordingUser:
    """What one session told its speaker, in order."""

    def __init__(self, message: Open) -> None:
        self.message = message
        self.log: list[str] = []
        self.ends: list[SessionEnd] = []
        self.negotiated: Negotiated | None = None
        self.updates: list[bytes] = []
        self.batches = 0
        self.refreshes: list[RouteRefresh] = []
        self.drains = 0
        self.fault: BgpError | None = None
        self.hook: Callable[[], None] | None = None

    def local_open(self) -> Open:
        return self.message

    def session_up(self, negotiated: Negotiated) -> None:
        self.log.append("up")
        self.negotiated = negotiated

    def session_down(self, end: SessionEnd) -> None:
        self.log.append("down")
        self.ends.append(end)

    def updates_received(self, inbox: Inbox, stop: int) -> None:
        _, start, end = inbox.messages[inbox.index]
        inbox.index += 1
        if self.fault is not None:
            raise self.fault
        self.updates.append(inbox.buffer[start:end])
        if self.hook is not None:
            self.hook()

    def batch_received(self) -> None:
        self.batches += 1

    def route_refresh_received(self, message: RouteRefresh) -> None:
        self.refreshes.append(message)

    def drained(self) -> None:
        self.drains += 1

    def state_changed(self, old: State, new: State) -> None:
        self.log.append(f"{old.title}>{new.title}")


class Speaker:
    """One BGP speaker: its sessions by peer address, and its listener."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        network: Network,
        asn: int,
        identifier: str,
        *,
        hold_time: int = 90,
        capabilities: tuple[Capability, ...] = (),
        seed: int = 1,
    ) -> None:
        self.loop = loop
        self.network = network
        self.asn = asn
        self.identifier = identifier
        self.hold_time = hold_time
        self.capabilities = capabilities
        self.random = Random(seed)
        self.sessions: dict[bytes, PeerSession] = {}
        self.users: dict[bytes, RecordingUser] = {}
        self.listener = Listener(network, lambda address, _: self.sessions.get(address), loop)

    def peer(self, address: str, asn: int, **changes: object) -> PeerSession:
        """Return a new session with a peer; it is not started."""
        user = RecordingUser(opening(self.asn, self.identifier, self.hold_time, *self.capabilities))
        own = {
            "local_asn": Asn(self.asn),
            "remote_asn": Asn(asn),
            "local_identifier": parse_identifier(self.identifier),
            "hold_time": self.hold_time,
        }
        chosen = settings(address, **{**own, **changes})
        session = PeerSession(chosen, user, self.network, self.loop, self.random)
        self.sessions[chosen.address] = session
        self.users[chosen.address] = user
        return session

    def user(self, address: str) -> RecordingUser:
        """Return what the session with this peer told."""
        return self.users[parse_address(address)]

    async def stop(self) -> None:
        """Close without a word."""
        for session in self.sessions.values():
            session.stop(None)
        await self.listener.close()
        for session in self.sessions.values():
            await session.wait_closed()
