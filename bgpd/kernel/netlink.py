"""A netlink socket: opening it, one datagram out, datagrams in, and what an acknowledgement says.

netlink(7), uapi/linux/netlink.h. The kernel works a request off inside ``send``, so the answers of a batch are there
when it returns: ``exchange`` needs no waiting. Dumps and events arrive piece by piece and are read from the event loop.
"""

import os
import socket
from array import array
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Iterable
from errno import EACCES, EAGAIN, EINTR, ENOBUFS, EPERM
from struct import Struct
from typing import Final

from bgpd.kernel.rtnetlink import (
    NETLINK_ADD_MEMBERSHIP,
    NETLINK_CAP_ACK,
    NETLINK_EXT_ACK,
    NETLINK_GET_STRICT_CHK,
    NLM_F_ACK,
    NLM_F_ACK_TLVS,
    NLM_F_CAPPED,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    NLMSG_NOOP,
    NLMSGERR_ATTR_MSG,
    RT_TABLE_LOCAL,
    RTM_DELROUTE,
    RTM_NEWROUTE,
    SO_ATTACH_FILTER,
    SO_RCVBUFFORCE,
    SOL_NETLINK,
)
from bgpd.records import dataclass

RECEIVE_BUFFER: Final = 32 << 20  # octets; about 40,000 events
_RECEIVE_SIZE: Final = 1 << 16
_READS_PER_TICK: Final = 64
_MAX_ERRNO: Final = 4095

_HEADER: Final = Struct("=IHHII")  # length, type, flags, sequence, port
_ERROR: Final = Struct("=iIHHII")  # error, then the header of the request
_ERRNO: Final = Struct("=i")
_ATTRIBUTE: Final = Struct("=HH")
_FILTER: Final = Struct("=HBBI")


class KernelError(Exception):
    """The kernel refused something that bgpd cannot do without; the text is for people."""


class Overrun(Exception):
    """The kernel dropped messages for us because the receive buffer was full (ENOBUFS)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error acknowledgement. errno: positive. text: the kernel's explanation, else the error number's."""

    errno: int
    text: str


def explain_permission(what: str) -> str:
    """Return the text of a KernelError for a missing privilege."""
    return (
        f"not permitted to {what}: CAP_NET_ADMIN is needed in this network namespace (run as root, give the service"
        " AmbientCapabilities=CAP_NET_ADMIN, or set enabled = false in [kernel])"
    )


def parse_refusal(buffer: bytes, position: int, length: int) -> Refusal | None:
    """Return what the NLMSG_ERROR at that position says; None: success."""
    error, request_length, _, _, _, _ = _ERROR.unpack_from(buffer, position + 16)
    if error == 0:
        return None
    flags = _HEADER.unpack_from(buffer, position)[2]
    text = _error_text(-error)
    if flags & NLM_F_ACK_TLVS:
        start = position + 36 + (0 if flags & NLM_F_CAPPED else (request_length - 16 + 3) & ~3)
        detail = _message_attribute(buffer, start, position + length)
        text = f"{text}: {detail}" if detail else text
    return Refusal(-error, text)


def _error_text(error: int) -> str:
    """Return the system's words for an error number; the kernel has none above 4095 (MAX_ERRNO)."""
    return os.strerror(error) if abs(error) <= _MAX_ERRNO else f"error {error}"


def _message_attribute(buffer: bytes, position: int, end: int) -> str:
    while position + 4 <= end:
        length, code = _ATTRIBUTE.unpack_from(buffer, position)
        if length < 4:
            break
        if code & 0x3FFF == NLMSGERR_ATTR_MSG:
            return buffer[position + 4 : position + length].rstrip(b"\0").decode("utf-8", "replace")
        position += (length + 3) & ~3
    return ""


class NetlinkSocket:
    """One NETLINK_ROUTE socket, in the network namespace that the calling thread is in.

    port: its address, which the kernel writes into answers and into events that its requests caused.
    """

    def __init__(self, groups: Iterable[int] = ()) -> None:
        """Open it and join multicast groups. Raises KernelError."""
        try:
            self._socket = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0
            )
        except OSError as error:
            raise KernelError(f"cannot open a netlink socket: {error.strerror}") from error
        try:
            self._configure(groups)
        except OSError as error:
            self._socket.close()
            raise KernelError(f"cannot set up a netlink socket: {error.strerror}") from error
        self.port: int = self._socket.getsockname()[0]

    def _configure(self, groups: Iterable[int]) -> None:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except PermissionError:  # needs the privilege outside of any user namespace; net.core.rmem_max caps this one
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        for option in (NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK):
            self._socket.setsockopt(SOL_NETLINK, option, 1)
        self._socket.bind((0, 0))
        for group in groups:
            self._socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)

    def ignore_routes_of(self, port: int) -> None:
        """Have the kernel drop route events that the socket with that port caused, and those of the local table."""
        load, jump_equal, give = 0x28, 0x15, 0x06  # BPF: ldh, jeq, ret; 0x30 = ldb, 0x20 = ld; loads are big-endian
        program = (
            (load, 0, 0, 4),  # nlmsg_type
            (jump_equal, 1, 0, socket.htons(RTM_NEWROUTE)),
            (jump_equal, 0, 4, socket.htons(RTM_DELROUTE)),
            (0x30, 0, 0, 20),  # rtm_table
            (jump_equal, 3, 0, RT_TABLE_LOCAL),
            (0x20, 0, 0, 12),  # nlmsg_pid
            (jump_equal, 1, 0, socket.htonl(port)),
            (give, 0, 0, 0xFFFFFFFF),
            (give, 0, 0, 0),
        )
        octets = array("B", b"".join(_FILTER.pack(*step) for step in program))
        address, _ = octets.buffer_info()
        option = Struct("@HP").pack(len(program), address)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, option)

    def fileno(self) -> int:
        """Return the file descriptor, for the event loop."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def send(self, datagram: bytes) -> None:
        """Send one or more messages to the kernel; it has worked them off when this returns."""
        self._socket.send(datagram)

    def receive(self) -> bytes | None:
        """Return a datagram, None if there is none now. Raises Overrun."""
        try:
            return self._socket.recv(_RECEIVE_SIZE)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == ENOBUFS:
                raise Overrun from error
            if error.errno in (EAGAIN, EINTR):
                return None
            raise

    def exchange(self, datagram: bytes, last: int) -> dict[int, Refusal]:
        """Send a batch whose message with sequence number ``last`` asks for an acknowledgement; return the errors by
        number.

        Raises Overrun if acknowledgements were lost, OSError if the batch could not be sent.
        """
        self._socket.send(datagram)
        refusals: dict[int, Refusal] = {}
        is_acknowledged = False
        while not is_acknowledged:
            buffer = self.receive()
            if buffer is None:
                raise Overrun
            position = 0
            while position + 36 <= len(buffer):
                length, kind, _, sequence, _ = _HEADER.unpack_from(buffer, position)
                if length < 16:
                    break
                if kind == NLMSG_ERROR:
                    refusal = parse_refusal(buffer, position, length)
                    if refusal is not None:
                        refusals[sequence] = refusal
                    is_acknowledged = is_acknowledged or sequence == last
                position += (length + 3) & ~3
        return refusals

    def exchange_one(self, message: bytes) -> Refusal | None:
        """Send one message without acknowledgement flag; return its error, if any. Raises Overrun, OSError."""
        first = _HEADER.unpack_from(message)[3]
        barrier = _HEADER.pack(_HEADER.size, NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, first + 1, 0)
        return self.exchange(message + barrier, first + 1).get(first)

    async def dump(self, loop: AbstractEventLoop, request: bytes, read: Callable[[bytes], None]) -> bool:
        """Send a dump request and hand each datagram of the answer to ``read``; bounded work a tick.

        Returns False if the kernel's data changed under the dump, so that it may be incomplete. Raises Overrun, and
        OSError with the kernel's error number.
        """
        done: Future[bool] = loop.create_future()
        sequence = _HEADER.unpack_from(request)[3]
        is_consistent = True

        def take(buffer: bytes) -> bool:
            nonlocal is_consistent
            _, kind, flags, answered, _ = _HEADER.unpack_from(buffer)
            if answered != sequence:
                return False
            is_consistent = is_consistent and not flags & NLM_F_DUMP_INTR
            if kind != NLMSG_ERROR:
                read(buffer)
            return kind in (NLMSG_ERROR, NLMSG_DONE) or _ends_with_done(buffer)

        def readable() -> None:
            if done.done():
                return
            try:
                for _ in range(_READS_PER_TICK // 16):
                    buffer = self.receive()
                    if buffer is None:
                        return
                    if take(buffer):
                        _finish(done, buffer, is_consistent)
                        return
            except (Overrun, OSError) as error:
                done.set_exception(error)

        self._socket.send(request)
        loop.add_reader(self.fileno(), readable)
        try:
            return await done
        finally:
            loop.remove_reader(self.fileno())


def _ends_with_done(buffer: bytes) -> bool:
    """Is the last message of a dump's datagram NLMSG_DONE? It has 4 octets of payload, and perhaps attributes.

    The first message is another one.
    """
    if _are_alike(buffer):
        return False
    position = 0
    while position + 16 <= len(buffer):
        length, kind, _, _, _ = _HEADER.unpack_from(buffer, position)
        if kind == NLMSG_DONE:
            return True
        if length < 16:
            break
        position += (length + 3) & ~3
    return False


def _are_alike(buffer: bytes) -> bool:
    """Are all messages of the length and type of the first?"""
    length = _HEADER.unpack_from(buffer)[0]
    if length < _HEADER.size or len(buffer) % length or length % 4:
        return False
    count = len(buffer) // length
    return all(buffer[octet::length] == buffer[octet : octet + 1] * count for octet in range(6))


def _finish(done: "Future[bool]", buffer: bytes, is_consistent: bool) -> None:
    length, kind, _, _, _ = _HEADER.unpack_from(buffer)
    if kind == NLMSG_ERROR:
        refusal = parse_refusal(buffer, 0, length)
        if refusal is not None:
            done.set_exception(OSError(refusal.errno, refusal.text))
            return
    elif kind == NLMSG_DONE and length >= 20:
        error = _ERRNO.unpack_from(buffer, 16)[0]
        if error < 0:
            done.set_exception(OSError(-error, _error_text(-error)))
            return
    done.set_result(is_consistent)


def is_permission(error: int) -> bool:
    """Does the error number mean that a privilege is missing?"""
    return error in (EPERM, EACCES)
