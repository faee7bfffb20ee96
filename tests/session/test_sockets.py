"""Sessions over the kernel's TCP on the loopback: options, TCP-MD5, GTSM, and what must not get in.

Each test listens on addresses of 127/8 of its own, on ports that the kernel chooses.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine

import pytest
import uvloop

from bgpd.addresses import parse_address
from bgpd.errors import Cease, CeaseSubcode
from bgpd.fsm.actions import EndKind
from bgpd.fsm.states import State
from bgpd.messages.framing import MessageType, frame
from bgpd.session.listener import ANSWERED_STRANGERS, Listener, ListenError
from bgpd.session.peer import PeerSession
from bgpd.session.sockets import MAX_TTL, TcpNetwork, sign
from tests.support.speakers import Speaker, opening

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:uvloop")
Run = Callable[[Callable[[], Coroutine[None, None, None]]], None]
LEFT, RIGHT = "127.0.1.1", "127.0.1.2"
MD5_DROPS = ("TCPMD5NotFound", "TCPMD5Unexpected", "TCPMD5Failure")
EMPTY_UPDATE = frame(MessageType.UPDATE, bytes(4))


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine on each of the two loops."""

    def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(asyncio.wait_for(test(), 20))

    return run


async def until(condition: Callable[[], bool], within: float = 5.0) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


def kernel_counts(*names: str) -> int:
    """Return the sum of these counters of the kernel's TCP."""
    with open("/proc/net/netstat", encoding="ascii") as file:
        keys, values = file.readline().split(), file.readline().split()
    return sum(int(value) for key, value in zip(keys, values, strict=True) if key in names)


class TcpPair:
    """Two speakers on the loopback; each knows the other's real port."""

    def __init__(self, left_address: str = LEFT, right_address: str = RIGHT) -> None:
        loop = asyncio.get_running_loop()
        self.left_address, self.right_address = left_address, right_address
        self.left = Speaker(loop, TcpNetwork(), 65001, "10.0.0.1", seed=1)
        self.right = Speaker(loop, TcpNetwork(), 65002, "10.0.0.2", seed=2)

    async def __aenter__(self) -> "TcpPair":
        await self.left.listener.start([parse_address(self.left_address)], 0)
        await self.right.listener.start([parse_address(self.right_address)], 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(self.left.stop(), self.right.stop())

    def peer(self, left: dict[str, object] | None = None, right: dict[str, object] | None = None) -> None:
        own, other = parse_address(self.left_address), parse_address(self.right_address)
        quick = {"idle_hold_first": 0.05, "connect_retry_time": 0.3, "idle_hold_max": 0.2}
        towards_right = {"port": self.right.listener.addresses[0][1], "local_address": own, **quick, **(left or {})}
        towards_left = {"port": self.left.listener.addresses[0][1], "local_address": other, **quick, **(right or {})}
        self.a = self.left.peer(self.right_address, 65002, **towards_right)
        self.b = self.right.peer(self.left_address, 65001, **towards_left)

    async def establish(self) -> None:
        self.a.start()
        self.b.start()
        await until(lambda: self.a.is_established and self.b.is_established)


def _socket_of(session: PeerSession) -> socket.socket:
    connection = session._primary.connection
    assert connection is not None
    opened: socket.socket = connection.transport.get_extra_info("socket")
    return opened


# --- Sessions ---


@pytest.mark.parametrize("passive", ["left", "right", "neither"])
def test_two_speakers_meet_over_ipv4(run: Run, passive: str) -> None:
    async def test() -> None:
        async with TcpPair() as pair:
            pair.peer({"is_passive": passive == "left"}, {"is_passive": passive == "right"})
            await pair.establish()
            pair.a.writelines([EMPTY_UPDATE] * 1000)
            await until(lambda: len(pair.right.user(LEFT).updates) == 1000)
            assert pair.a.local_address == parse_address(LEFT)

    run(test)


def test_two_speakers_meet_over_ipv6(run: Run) -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        one = parse_address("::1")
        speakers = [Speaker(loop, TcpNetwork(), 65001 + n, f"10.0.0.{n + 1}", seed=n) for n in range(2)]
        await speakers[0].listener.start([one], 0)
        port = speakers[0].listener.addresses[0][1]
        a = speakers[0].peer("::1", 65002, is_passive=True, ttl_security=1)
        b = speakers[1].peer("::1", 65001, port=port, ttl_security=1)
        a.start()
        b.start()
        await until(lambda: a.is_established and b.is_established)
        assert a.local_address == one
        assert _socket_of(b).getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS) == 0xC0
        for speaker in speakers:
            await speaker.stop()

    run(test)


def test_a_large_transfer_arrives_whole_and_is_congested_on_the_way(run: Run) -> None:
    async def test() -> None:
        async with TcpPair() as pair:
            pair.peer()
            await pair.establish()
            user, updates = pair.left.user(RIGHT), pair.right.user(LEFT).updates
            message = frame(MessageType.UPDATE, bytes(4000))
            was_congested = False
            for _ in range(200):
                while not pair.a.is_congested:
                    pair.a.write(message * 50)
                    if pair.a.counts.octets_sent > 20_000_000:
                        break
                was_congested |= pair.a.is_congested
                if pair.a.counts.octets_sent > 20_000_000:
                    break
                drains = user.drains
                await until(lambda drains=drains: user.drains > drains)
            expected = pair.a.counts.octets_sent // len(message)
            await until(lambda: len(updates) == expected, within=10)
            assert set(updates) == {bytes(4000)}
            assert was_congested
            assert user.drains > 0

    run(test)


@pytest.mark.rfc("4271", "6.4")
def test_a_notification_reaches_a_peer_that_is_sending(run: Run) -> None:
    """Unread octets at our close must not make TCP reset the connection before our last words were read."""

    async def test() -> None:
        async with TcpPair() as pair:
            pair.peer()
            await pair.establish()
            pair.a.writelines([frame(MessageType.UPDATE, bytes(4000))] * 60)
            pair.b.stop(Cease(CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, why="maintenance"))
            await until(lambda: not pair.a.is_established)
            assert pair.a.received_error.startswith("Received: Cease/Administrative Shutdown")

    run(test)


def test_an_administratively_stopped_peer_refuses_with_a_cease(run: Run) -> None:
    async def test() -> None:
        async with TcpPair() as pair:
            pair.peer()
            pair.b.start()
            await until(lambda: pair.b.received_error != "")
            assert pair.b.received_error == "Received: Cease/Connection Rejected"
            assert pair.left.listener.refused >= 1

    run(test)


@pytest.mark.rfc("4271", "6.8")
@pytest.mark.parametrize("first", ["left", "right"])
def test_a_collision_is_resolved_for_the_higher_identifier_whoever_dials_first(run: Run, first: str) -> None:
    async def test() -> None:
        async with TcpPair() as pair:
            pair.peer()
            sessions = [pair.a, pair.b] if first == "left" else [pair.b, pair.a]
            for session in sessions:
                session.start()
            await until(lambda: pair.a.is_established and pair.b.is_established)
            pair.a.write(EMPTY_UPDATE)
            pair.b.write(EMPTY_UPDATE)
            await until(lambda: bool(pair.left.user(RIGHT).updates and pair.right.user(LEFT).updates))
            assert pair.a.is_established
            assert pair.b.is_established
            assert pair.a.is_outgoing is not pair.b.is_outgoing
            assert pair.left.user(RIGHT).log.count("up") == 1

    run(test)


# --- Socket options ---


def test_dialled_and_accepted_connections_carry_precedence_and_no_delay(run: Run) -> None:
    async def test() -> None:
        async with TcpPair() as pair:
            pair.peer({"multihop_ttl": 7}, {"is_passive": True, "multihop_ttl": 9})
            await pair.establish()
            for session, ttl in ((pair.a, 7), (pair.b, 9)):
                opened = _socket_of(session)
                assert opened.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0xC0
                assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert opened.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == ttl

    run(test)


def test_an_accepted_connection_has_the_systems_ttl_unless_told_otherwise(run: Run) -> None:
    async def test() -> None:
        async with TcpPair() as pair:
            pair.peer(right={"is_passive": True})
            await pair.establish()
            plain = socket.socket()
            default = plain.getsockopt(socket.IPPROTO_IP, socket.IP_TTL)
            plain.close()
            assert _socket_of(pair.b).getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == default

    run(test)


@pytest.mark.rfc("5082", "3")
def test_gtsm_lets_a_peer_in_that_sends_with_ttl_255(run: Run) -> None:
    async def test() -> None:
        async with TcpPair() as pair:
            pair.peer({"ttl_security": 1}, {"ttl_security": 1, "is_passive": True})
            await pair.establish()
            assert _socket_of(pair.a).getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == MAX_TTL

    run(test)


@pytest.mark.rfc("5082", "3")
@pytest.mark.parametrize("dialler", ["left", "right"])
def test_gtsm_keeps_a_peer_out_that_sends_with_a_lower_ttl(run: Run, dialler: str) -> None:
    async def test() -> None:
        async with TcpPair() as pair:
            pair.peer(
                {"ttl_security": 1, "is_passive": dialler == "right"},
                {"multihop_ttl": 64, "is_passive": dialler == "left"},
            )
            before = kernel_counts("TCPMinTTLDrop")
            pair.a.start()
            pair.b.start()
            if dialler == "left":
                await until(lambda: kernel_counts("TCPMinTTLDrop") > before + 2)
            else:
                await until(lambda: "TTL 64, ttl_security asks for 255" in pair.a.last_error)
                await until(lambda: "Connection Rejected" in pair.b.received_error)
            assert not pair.a.is_established

    run(test)


# --- TCP-MD5 ---


@pytest.mark.rfc("2385", "2.0")
@pytest.mark.parametrize("dialler", ["left", "right"])
@pytest.mark.parametrize(("theirs", "is_let_in"), [("secret", True), ("other", False), (None, False)])
def test_only_the_right_md5_password_gets_in(run: Run, dialler: str, theirs: str | None, is_let_in: bool) -> None:
    async def test() -> None:
        async with TcpPair() as pair:
            pair.left.listener.set_password(parse_address(RIGHT), 32, "secret")
            if theirs is not None:
                pair.right.listener.set_password(parse_address(LEFT), 32, theirs)
            pair.peer(
                {"password": "secret", "is_passive": dialler == "right"},
                {"password": theirs, "is_passive": dialler == "left"},
            )
            before = kernel_counts(*MD5_DROPS)
            pair.a.start()
            pair.b.start()
            if is_let_in:
                await until(lambda: pair.a.is_established and pair.b.is_established)
            else:
                await until(lambda: kernel_counts(*MD5_DROPS) > before + 1)
                assert not pair.a.is_established

    run(test)


def test_a_password_for_a_prefix_covers_all_who_dial_from_it(run: Run) -> None:
    async def test() -> None:
        async with TcpPair() as pair:
            pair.left.listener.set_password(parse_address("127.0.1.0"), 24, "secret")
            pair.peer({"is_passive": True}, {"password": "secret"})
            await pair.establish()

    run(test)


def test_a_password_that_was_removed_is_no_longer_required(run: Run) -> None:
    async def test() -> None:
        async with TcpPair() as pair:
            pair.left.listener.set_password(parse_address(RIGHT), 32, "secret")
            pair.left.listener.set_password(parse_address(RIGHT), 32, None)
            pair.left.listener.set_password(parse_address(RIGHT), 32, None)
            pair.peer({"is_passive": True})
            await pair.establish()

    run(test)


def test_a_password_set_before_the_start_holds(run: Run) -> None:
    async def test() -> None:
        pair = TcpPair()
        pair.left.listener.set_password(parse_address(RIGHT), 32, "secret")
        async with pair:
            pair.peer({"is_passive": True}, {"password": None})
            before = kernel_counts(*MD5_DROPS)
            pair.a.start()
            pair.b.start()
            await until(lambda: kernel_counts(*MD5_DROPS) > before)
            assert pair.a.state is State.ACTIVE

    run(test)


def test_a_password_too_long_for_the_kernel_is_refused() -> None:
    with socket.socket() as target, pytest.raises(ValueError, match="at most 80 octets, this one 81"):
        sign(target, parse_address(RIGHT), 32, "x" * 81)


# --- Listening ---


def test_a_port_in_use_is_a_clear_error(run: Run) -> None:
    async def test() -> None:
        with socket.socket() as taken:
            taken.bind((LEFT, 0))
            taken.listen()
            port = taken.getsockname()[1]
            listener = Listener(TcpNetwork(), lambda *_: None, asyncio.get_running_loop())
            with pytest.raises(ListenError, match=f"cannot listen on {LEFT} port {port}: Address already in use"):
                await listener.start([parse_address(LEFT)], port)

    run(test)


def test_an_address_that_is_not_ours_is_a_clear_error_and_nothing_stays_open(run: Run) -> None:
    async def test() -> None:
        listener = Listener(TcpNetwork(), lambda *_: None, asyncio.get_running_loop())
        with pytest.raises(ListenError, match=r"cannot listen on 192\.0\.2\.1 port 0: Cannot assign requested address"):
            await listener.start([parse_address(LEFT), parse_address("192.0.2.1")], 0)
        assert listener.addresses == ()

    run(test)


def test_ipv4_and_ipv6_listen_on_one_port(run: Run) -> None:
    async def test() -> None:
        listener = Listener(TcpNetwork(), lambda *_: None, asyncio.get_running_loop())
        await listener.start([bytes(4)], 0)
        port = listener.addresses[0][1]
        await listener.start([bytes(16)], port)
        assert [len(address) for address, _ in listener.addresses] == [4, 16]
        await listener.close()

    run(test)


# --- Hostile octets ---


async def _connect(source: str, target: tuple[str, int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*target, local_addr=(source, 0))


async def _read_all(reader: asyncio.StreamReader, within: float = 3) -> bytes:
    async with asyncio.timeout(within):
        try:
            return await reader.read(-1)
        except ConnectionResetError:
            return b""


@pytest.mark.rfc("4486", "4")
def test_an_unknown_peer_is_refused_and_counted_but_not_each_is_answered(run: Run) -> None:
    async def test() -> None:
        async with TcpPair() as pair:
            target = (LEFT, pair.left.listener.addresses[0][1])
            answers = []
            for _ in range(2 * ANSWERED_STRANGERS + 3):
                reader, writer = await _connect("127.0.9.9", target)
                answers.append(await _read_all(reader))
                writer.close()
            rejected = b"\xff" * 16 + b"\0\x15\3\6\5"
            assert answers[:3] == [rejected] * 3
            assert set(answers) == {rejected, b""}
            assert answers.count(rejected) <= 2 * ANSWERED_STRANGERS  # a minute may have ended meanwhile
            assert pair.left.listener.unknown_peers == len(answers)

    run(test)


GARBAGE = {
    "text": b"GET / HTTP/1.1\r\n\r\n" * 10,
    "zeros": bytes(100),
    "marker then zeros": b"\xff" * 16 + bytes(50),
    "length below the header": b"\xff" * 16 + b"\0\x12\1" + bytes(40),
    "length above the maximum": b"\xff" * 16 + b"\xff\xff\1" + bytes(40),
    "unknown type": b"\xff" * 16 + b"\0\x17\x63" + bytes(4),
    "open cut off": frame(MessageType.OPEN, opening().encode()[19:25] + bytes(3) + b"\x50"),
    "open with a wrong version": frame(MessageType.OPEN, b"\3" + opening().encode()[20:]),
    "update before open": EMPTY_UPDATE,
}


@pytest.mark.parametrize("octets", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_answered_and_changes_nothing_for_another_session(run: Run, octets: bytes) -> None:
    async def test() -> None:
        async with TcpPair() as pair:
            pair.peer()
            await pair.establish()
            pair.left.peer("127.0.1.3", 65003, is_passive=True).start()
            reader, writer = await _connect("127.0.1.3", (LEFT, pair.left.listener.addresses[0][1]))
            writer.write(octets)
            answer = await _read_all(reader)
            writer.close()
            # Our OPEN, then a NOTIFICATION as the last message
            assert answer[18] == MessageType.OPEN
            size = struct.unpack_from("!H", answer, 16)[0]
            assert answer[size + 18] == MessageType.NOTIFICATION
            assert pair.a.is_established
            assert pair.left.user(RIGHT).ends == []

    run(test)


def test_a_peer_that_dribbles_octets_is_understood(run: Run) -> None:
    async def test() -> None:
        async with TcpPair() as pair:
            session = pair.left.peer("127.0.1.3", 65002, is_passive=True)
            session.start()
            _, writer = await _connect("127.0.1.3", (LEFT, pair.left.listener.addresses[0][1]))
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for octet in opening().encode() + frame(MessageType.KEEPALIVE, b"") + EMPTY_UPDATE:
                writer.write(bytes((octet,)))
                await writer.drain()
                await asyncio.sleep(0)
            await until(lambda: len(pair.left.user("127.0.1.3").updates) == 1)
            writer.close()

    run(test)


def test_a_flood_of_half_open_connections_is_bounded_and_the_peer_still_gets_in(run: Run) -> None:
    async def test() -> None:
        async with TcpPair() as pair:
            session = pair.left.peer("127.0.1.3", 65002, is_passive=True)
            session.start()
            target = (LEFT, pair.left.listener.addresses[0][1])
            flood = [await _connect("127.0.1.3", target) for _ in range(100)]
            assert pair.left.listener.half_open <= 4
            _, writer = await _connect("127.0.1.3", target)
            writer.write(opening().encode() + frame(MessageType.KEEPALIVE, b""))
            await until(lambda: session.is_established)
            assert pair.left.listener.half_open == 0
            for _, each in flood:
                each.close()
            writer.write(EMPTY_UPDATE)
            await until(lambda: bool(pair.left.user("127.0.1.3").updates))
            assert session.is_established
            writer.close()

    run(test)


def test_half_open_connections_of_many_peers_are_limited_together(run: Run) -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        speaker = Speaker(loop, TcpNetwork(), 65001, "10.0.0.1")
        speaker.listener = Listener(
            speaker.network, lambda address, _: speaker.sessions.get(address), loop, half_open_limit=5
        )
        await speaker.listener.start([parse_address(LEFT)], 0)
        target = (LEFT, speaker.listener.addresses[0][1])
        connections = []
        for number in range(10, 20):
            speaker.peer(f"127.0.1.{number}", 65002, is_passive=True).start()
            connections.append(await _connect(f"127.0.1.{number}", target))
        await until(lambda: speaker.listener.over_limit == 5)
        assert speaker.listener.half_open == 5
        for _, writer in connections:
            writer.close()
        await until(lambda: speaker.listener.half_open == 0)
        await speaker.stop()

    run(test)


def test_a_reset_by_the_peer_is_told_in_the_kernels_words(run: Run) -> None:
    async def test() -> None:
        async with TcpPair() as pair:
            session = pair.left.peer("127.0.1.3", 65002, is_passive=True)
            session.start()
            _, writer = await _connect("127.0.1.3", (LEFT, pair.left.listener.addresses[0][1]))
            writer.write(opening().encode() + frame(MessageType.KEEPALIVE, b""))
            await until(lambda: session.is_established)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.close()
            await until(lambda: not session.is_established)
            assert session.last_error == "Socket: Connection reset by peer"
            assert pair.left.user("127.0.1.3").ends[0].kind is EndKind.CONNECTION_LOST

    run(test)


def test_connections_that_are_reset_at_once_do_no_harm(run: Run) -> None:
    async def test() -> None:
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        async with TcpPair() as pair:
            session = pair.left.peer("127.0.1.3", 65002, is_passive=True)
            session.start()
            listener = pair.left.listener
            for _ in range(50):
                with socket.socket() as dialled:
                    dialled.bind(("127.0.1.3", 0))
                    dialled.connect((LEFT, listener.addresses[0][1]))
                    dialled.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            _, writer = await _connect("127.0.1.3", (LEFT, listener.addresses[0][1]))
            writer.write(opening().encode() + frame(MessageType.KEEPALIVE, b""))
            await until(lambda: session.is_established)
            await until(lambda: listener.half_open == 0)
            writer.close()
        assert faults == []

    run(test)


def test_a_dial_from_an_address_that_is_not_ours_says_so(run: Run) -> None:
    async def test() -> None:
        async with TcpPair() as pair:
            pair.peer({"local_address": parse_address("192.0.2.1")})
            pair.a.start()
            await until(lambda: pair.a.last_error != "")
            assert pair.a.last_error == "Socket: Cannot assign requested address"

    run(test)


def test_a_link_that_does_not_exist_says_so(run: Run) -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        speaker = Speaker(loop, TcpNetwork(), 65001, "10.0.0.1")
        session = speaker.peer("fe80::1", 65002, interface="nowhere0")
        session.start()
        await until(lambda: session.last_error != "")
        assert session.last_error == "Socket: No interface nowhere0"
        await speaker.stop()

    run(test)


def test_a_listener_closes_and_opens_again_on_its_port_while_its_connections_stay(run: Run) -> None:
    async def test() -> None:
        async with TcpPair() as pair:
            pair.peer(right={"is_passive": True})
            await pair.establish()
            ((address, port),) = pair.right.listener.addresses
            await asyncio.wait_for(pair.right.listener.close(), 1)
            await pair.right.listener.start([address], port)
            assert pair.right.listener.addresses == ((address, port),)
            assert pair.b.is_established

    run(test)
