"""One configured peer: the session with it, whichever connection it runs on.

RFC 4271 6.8 and 8.2.1: a machine for the peering, and a second one for a connection that the peer opens while the first
is busy. RFC 4724 section 5: a restarted peer's connection replaces the session. Times are seconds on the loop's clock.
The first machine dials, waits and holds; when it is the one that loses, the second takes its place.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from struct import Struct
from typing import Final

import structlog

from bgpd.addresses import format_address, parse_address
from bgpd.errors import BgpError, Cease, ErrorCode
from bgpd.fsm.actions import EndKind, SessionEnd, Timer
from bgpd.fsm.collision import Rank, Side, Verdict, resolve
from bgpd.fsm.events import (
    AutomaticStop,
    CollisionLost,
    ConnectionReplaced,
    ConnectRetryTimerExpired,
    ManualStart,
    ManualStartPassive,
    ManualStop,
    UpdateRejected,
)
from bgpd.fsm.machine import Machine
from bgpd.fsm.states import State
from bgpd.messages.framing import MessageType
from bgpd.messages.negotiated import Negotiated
from bgpd.messages.notification import Notification
from bgpd.messages.open import Open
from bgpd.messages.route_refresh import RouteRefresh
from bgpd.session.closing import ClosingConnections
from bgpd.session.connection import Connection, Deliver
from bgpd.session.counts import MessageCounts
from bgpd.session.driver import COLLISION_WAIT, Driver
from bgpd.session.ends import blames_message, describe_end
from bgpd.session.faulty_message import FaultyMessage, LineLimit
from bgpd.session.settings import SessionSettings
from bgpd.session.signatures import SignatureWatch
from bgpd.session.sockets import Network, describe
from bgpd.session.user import SessionUser

_YOUNG: Final = 5.0  # seconds; who crashes sooner has TCP tell us, unless its host went down, which takes longer
_LENGTH_AND_TYPE: Final = Struct("!16xHB")  # of a message's header
_JITTER: Final = (0.75, 1.0)  # RFC 4271 section 10

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd.session")


class PeerSession:
    """The session with one peer.

    state: of the connection that is furthest. since: loop time at which it was entered. established_at: loop time; None
    when there is no session. flaps: how often an established session ended. last_error, sent_error, received_error: for
    people, "" = none yet, of sessions and of attempts; last_error_at: loop time. last_end: what last_error is about.
    ended_by: why the last established session ended, "" = none did; ended_at: loop time. faulty: the last message that
    was not as it should be. is_hanging_up: at the last attempt it took the connection and dropped it without a word, or
    spoke out of turn, as daemons do that are not ready for a peer that they just lost. resting: why the session stays
    down by itself, "" = it does not; rests_until: loop time, None = until it is started. admission: asked when the
    peer's OPEN is fine; what it returns refuses the session.
    lines: limits the log. local_address: octets of our end, b"" when not connected; remote_port: 0 when not connected.
    counts: over all sessions.
    """

    def __init__(
        self,
        settings: SessionSettings,
        user: SessionUser,
        network: Network,
        loop: asyncio.AbstractEventLoop,
        random: Random,
    ) -> None:
        self.settings = settings
        self.counts = MessageCounts()
        self.state = State.IDLE
        self.since = loop.time()
        self.established_at: float | None = None
        self.negotiated: Negotiated | None = None
        self.flaps = 0
        self.last_error = self.sent_error = self.received_error = ""
        self.last_error_at = 0.0
        self.ended_by = ""
        self.ended_at: float | None = None
        self.last_end: SessionEnd | None = None
        self.is_hanging_up = False
        self.faulty: FaultyMessage | None = None
        self.resting = ""
        self.rests_until: float | None = None
        self.admission: Callable[[], Cease | None] | None = None
        self.lines = LineLimit()
        self._was_connected = False  # at the last attempt
        self._user = user
        self._network = network
        self._loop = loop
        self._random = random
        self._log = _log.bind(peer=settings.name)
        self._closing = ClosingConnections(self.counts)
        self._rival: Driver | None = None
        self._signatures = SignatureWatch(network, loop, self._signatures_dropped)
        self._rest: asyncio.TimerHandle | None = None
        self._primary = self._new_driver(settings, is_started=False)

    # --- What the speaker asks for ------------------------------------------------------------------------------

    @property
    def is_started(self) -> bool:
        """Does the operator want the session?"""
        return self._primary.machine.is_started

    @property
    def is_established(self) -> bool:
        """Is there a session?"""
        return self.negotiated is not None

    @property
    def is_congested(self) -> bool:
        """Did more octets pile up than the peer reads? Then write no more until ``drained``."""
        connection = self._primary.connection
        return connection is not None and connection.is_congested

    @property
    def unsent(self) -> int:
        """Octets that the kernel has not taken yet."""
        connection = self._primary.connection
        return connection.unsent if connection is not None else 0

    @property
    def local_address(self) -> bytes:
        """Our end of the connection."""
        connection = self._primary.connection
        return parse_address(connection.local.address) if connection is not None else b""

    @property
    def remote_port(self) -> int:
        """The peer's port."""
        connection = self._primary.connection
        return connection.remote.port if connection is not None else 0

    @property
    def is_outgoing(self) -> bool:
        """Did we dial the connection?"""
        return self._primary.connection is not None and self._primary.is_outgoing

    @property
    def is_connected(self) -> bool:
        """Is there a connection, of whatever state?"""
        return self._primary.connection is not None or self._rival is not None

    @property
    def has_graceful_restart(self) -> bool:
        """Did both sides of the established session announce graceful restart?"""
        return self._primary.machine.has_graceful_restart

    def remaining(self, timer: Timer) -> float | None:
        """Return the seconds until a timer expires; None if it does not run."""
        return self._primary.remaining(timer)

    def start(self) -> None:
        """Bring the session up, and up again after each end, until ``stop``."""
        self._stop_resting()
        if not self.is_started:
            self._begin()

    def _begin(self) -> None:
        """Dial, or wait for the peer, as if nothing had failed before. Only when idle."""
        self._primary.step(ManualStartPassive() if self.settings.is_passive else ManualStart())

    def stop(self, cease: Cease | None) -> None:
        """End the session until ``start``. None: close without a NOTIFICATION, as before a restart of our own."""
        self._stop_resting()
        self._drop_rival()
        self._primary.step(ManualStop(cease))

    def rest(self, seconds: float, why: str) -> None:
        """Stay down for so long, 0 = until ``start``; the peer was told already."""
        self.stop(None)
        self.resting = why
        if seconds:
            self.rests_until = self._loop.time() + seconds
            self._rest = self._loop.call_later(seconds, self.start)

    def _stop_resting(self) -> None:
        self.resting, self.rests_until = "", None
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    def reset(self, cease: Cease) -> None:
        """End the session, which comes back after the idle hold time; one that is in that time does so at once."""
        self._drop_rival()
        if self.is_started and self.state is State.IDLE:
            self._begin()
        else:
            self._primary.step(AutomaticStop(cease))

    def fail(self, error: BgpError) -> None:
        """End the established session with a NOTIFICATION for this fault; it comes back after the idle hold time."""
        if self.is_established:
            self._primary.step(AutomaticStop(error) if isinstance(error, Cease) else UpdateRejected(error))

    def update_settings(self, new: SessionSettings) -> None:
        """Use new settings from now on; what TCP or OPEN rest on takes hold on the next connection."""
        is_first_dial = self.settings.is_passive and not new.is_passive
        self.settings = new
        self._log = _log.bind(peer=new.name)
        for driver in (self._primary, self._rival):
            if driver is not None:
                driver.settings = driver.machine.settings = new
        if is_first_dial and self._primary.machine.state is State.ACTIVE and self._primary.connection is None:
            self._primary.step(ConnectRetryTimerExpired())  # no timer runs for one that waits for its peer

    def write(self, data: bytes) -> None:
        """Send whole messages. Established only."""
        self._connection().write(data)

    def writelines(self, chunks: Sequence[bytes | memoryview]) -> None:
        """Send chunks of whole messages. Established only."""
        self._connection().writelines(chunks, sum(map(len, chunks)))

    def count_sent(self, updates: int) -> None:
        """Count UPDATEs that were written."""
        self.counts.sent[MessageType.UPDATE] += updates

    def send(self, octets: bytes) -> None:
        """Send a few whole messages and count each by its type. Established only."""
        position = 0
        while position < len(octets):
            length, kind = _LENGTH_AND_TYPE.unpack_from(octets, position)
            self.counts.sent[MessageType(kind)] += 1
            position += length
        self._connection().write(octets)

    def accept(self, connection: Connection) -> bool:
        """Take a connection that the peer opened; False = it was refused and is being closed."""
        if not self.is_started:
            self._refuse(connection, self.resting or "the session is administratively down")
            return False
        wanted, used = self.settings.local_address, connection.local.address
        if wanted is not None and parse_address(used) != wanted:
            self._refuse_for(connection, f"its connection came to {used}, expected {format_address(wanted)}")
            return False
        try:
            self._network.admit(connection.transport, self.settings)
        except OSError as error:
            self._refuse_for(connection, f"its connection was refused: {describe(error)}")
            return False
        primary = self._primary
        if primary.connection is None and primary.machine.state in (State.IDLE, State.ACTIVE):
            primary.accept(connection)
            return True
        if self._rival is not None and self._rival.machine.state is State.OPEN_CONFIRM:
            self._refuse(connection, "two other connections are open")
            return False
        # A second connection that has not said who it is gives way: its end may long be gone
        self._drop_rival()
        self._rival = self._new_driver(self._rival_settings(), is_started=True)
        self._rival.accept(connection)
        return True

    async def wait_closed(self) -> None:
        """Wait until the connections that were closed are gone; a few seconds at most."""
        await self._closing.wait()

    # --- What the drivers tell ----------------------------------------------------------------------------------

    def state_moved(self, driver: Driver) -> None:
        """Show the state that is furthest."""
        if driver.machine.state is not State.IDLE and driver.machine.state is not State.ACTIVE:
            self._was_connected = driver.machine.state is not State.CONNECT
        rival = self._rival.machine.state if self._rival is not None else State.IDLE
        new = max(self._primary.machine.state, rival)
        if new is self.state:
            return
        old, self.state, self.since = self.state, new, self._loop.time()
        self._log.debug("state changed", old=old.title, new=new.title)
        self._signatures.stop()
        if new is State.ACTIVE and self.settings.is_passive and self.settings.authentication:
            self._signatures.start()
        self._user.state_changed(old, new)

    def judge_collision(self, driver: Driver, message: Open) -> Verdict:
        """Decide between this connection and the peer's other one (RFC 4271 6.8)."""
        refused = self.admission() if self.admission is not None else None
        if refused is not None:
            driver.step(AutomaticStop(refused))  # what else the OPEN leads to is void then
            return Verdict.NO_COLLISION
        other = self._rival if driver is self._primary else self._primary
        if other is None:
            return Verdict.NO_COLLISION
        verdict = resolve(
            Side(other.machine.state, other.is_outgoing),
            Side(driver.machine.state, driver.is_outgoing),
            Rank(self.settings.local_identifier, driver.machine.local_asn),
            Rank(message.identifier, message.asn),
            has_graceful_restart=other.machine.has_graceful_restart and not self._is_young,
        )
        if verdict is Verdict.CLOSE_EXISTING:
            other.step(CollisionLost())
        elif verdict is Verdict.REPLACE_EXISTING:
            other.step(ConnectionReplaced())
        return verdict

    def session_up(self, driver: Driver, negotiated: Negotiated) -> None:
        """Make the connection the session's, drop the other one, tell the speaker."""
        if driver is self._primary:
            if self._rival is not None:
                self._rival.step(CollisionLost())
        else:
            self._promote_rival()
        self.negotiated = negotiated
        self.established_at = self._loop.time()
        self._log.info("session established", remote_asn=negotiated.remote_asn, hold_time=negotiated.hold_time)
        self._user.session_up(negotiated)

    def session_down(self, driver: Driver, end: SessionEnd) -> None:
        """Tell the speaker that the session is over."""
        self.negotiated = self.established_at = None
        self.flaps += 1
        self._note(end)
        self.ended_by, self.ended_at = self.last_error, self.last_error_at
        self._keep_faulty(driver, end)
        log = self._log.info if end.kind is EndKind.ADMINISTRATIVE else self._log.warning
        log("session ended", reason=describe_end(end), **self._message(driver, end))
        self._user.session_down(end)

    def attempt_failed(self, driver: Driver, end: SessionEnd) -> None:
        """Keep the reason, unless it says nothing about the peer."""
        is_lost = end.kind is EndKind.CONNECTION_LOST
        is_out_of_turn = (end.kind, end.code) == (EndKind.SENT_NOTIFICATION, ErrorCode.FINITE_STATE_MACHINE)
        self.is_hanging_up = self._was_connected and (is_lost or is_out_of_turn)
        if end.kind not in (EndKind.COLLISION, EndKind.ADMINISTRATIVE):
            is_news = describe_end(end) != self.last_error
            self._note(end)
            self._keep_faulty(driver, end)
            left = self.lines.left(self._loop.time()) if is_news else 0
            log = self._log.info if left else self._log.debug
            log("no session", reason=self.last_error, **self._message(driver, end))
            if left == 1:
                self._log.warning("more such lines are left out until the minute is over")

    def stepped(self, driver: Driver) -> None:
        """Put the machines in order: who lost its connection makes room for the other."""
        rival = self._rival
        if rival is None:
            return
        if driver is rival:
            if rival.connection is None:
                self._forget(rival)
        elif self._primary.connection is None and self._primary.machine.state is not State.CONNECT:
            self._promote_rival()

    @property
    def deliver(self) -> Deliver:
        """Who takes UPDATEs."""
        return self._user.updates_received

    def batch_received(self) -> None:
        """Pass on that a batch is complete."""
        self._user.batch_received()

    def route_refresh_received(self, message: RouteRefresh) -> None:
        """Pass a ROUTE-REFRESH on."""
        self._user.route_refresh_received(message)

    def drained(self) -> None:
        """Pass on that there is room again."""
        if self.is_established:
            self._user.drained()

    def closing(self, connection: Connection) -> None:
        """Remember a connection until TCP is done with it."""
        self._closing.add(connection)

    @property
    def _is_young(self) -> bool:
        """Is the session too new for its peer to have restarted since? Then both ends have dialled at one moment.

        But for a session that the peer dialled: if it dials again, it has forgotten that one.
        """
        if self.established_at is None or not self._primary.is_outgoing:
            return False
        return self._loop.time() - self.established_at < _YOUNG

    def _signatures_dropped(self, count: int) -> None:
        """Say so if the peer may be dialling with another key."""
        secret = self.settings.authentication
        why = f"Socket: No connection, and segments with a wrong or no signature are dropped: compare the {secret}"
        log = self._log.warning if why != self.last_error else self._log.debug
        self.last_error, self.last_error_at = why, self._loop.time()
        log("no session", reason=why, dropped=count)

    # --- Parts --------------------------------------------------------------------------------------------------

    def _connection(self) -> Connection:
        connection = self._primary.connection
        assert connection is not None  # only an established session is written to
        assert self.negotiated is not None
        return connection

    def _new_driver(self, settings: SessionSettings, *, is_started: bool) -> Driver:
        machine = Machine(settings, self._user.local_open, self._jitter, is_started=is_started)
        return Driver(self, machine, settings, self._network, self._loop, self.counts)

    def _rival_settings(self) -> SessionSettings:
        """Return the settings for a second connection: beside one that is agreed on, the peer has to speak first.

        Our OPEN would be the peer's reason to close the other one, if our KEEPALIVE has not reached it there yet.
        """
        if self._primary.machine.state < State.OPEN_CONFIRM:
            return self.settings
        return replace(self.settings, delay_open_time=max(self.settings.delay_open_time, COLLISION_WAIT))

    def _jitter(self) -> float:
        return self._random.uniform(*_JITTER)

    def _promote_rival(self) -> None:
        """Let the second machine take the first one's place, and its history."""
        rival, loser = self._rival, self._primary
        assert rival is not None
        self._primary, self._rival = rival, None
        rival.settings = rival.machine.settings = self.settings  # it no longer has to let the peer speak first
        rival.machine.failures = max(rival.machine.failures, loser.machine.failures)
        loser.discard()
        rival.go_on()

    def _drop_rival(self) -> None:
        if self._rival is not None:
            self._rival.step(CollisionLost())

    def _forget(self, rival: Driver) -> None:
        self._rival = None
        rival.discard()
        self.state_moved(self._primary)
        self._primary.go_on()

    def _refuse_for(self, connection: Connection, why: str) -> None:
        """Refuse a connection for a fault that people have to see."""
        self.last_error, self.last_error_at = f"Socket: {why[:1].upper()}{why[1:]}", self._loop.time()
        self._refuse(connection, why)

    def _refuse(self, connection: Connection, why: str) -> None:
        if self.lines.left(self._loop.time()):
            self._log.info("connection refused", reason=why)
        self._closing.refuse(connection, why)

    def _note(self, end: SessionEnd) -> None:
        text = describe_end(end)
        self.last_end = end
        self.last_error, self.last_error_at = text, self._loop.time()
        if end.kind is EndKind.RECEIVED_NOTIFICATION:
            self.received_error = text
            fault = Notification(end.code, end.subcode, end.data).text_fault
            if fault and self.lines.left(self._loop.time()):
                self._log.warning("malformed shutdown text", reason=fault, octets=end.data.hex())
        elif end.code:
            self.sent_error = text

    def _keep_faulty(self, driver: Driver, end: SessionEnd) -> None:
        if driver.message and blames_message(end):
            self.faulty = FaultyMessage.of(describe_end(end), driver.message, self._loop.time())

    def _message(self, driver: Driver, end: SessionEnd) -> dict[str, str]:
        """Return what the log says of the message at fault: all of it (RFC 7606 section 2)."""
        return {"message": driver.message.hex()} if driver.message and blames_message(end) else {}
