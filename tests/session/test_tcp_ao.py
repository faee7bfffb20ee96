"""The structures of Linux's TCP-AO options, octet by octet, and what happens where the kernel does not have them."""

import ctypes
import socket

import pytest

from bgpd.addresses import parse_address
from bgpd.session import tcp_ao
from bgpd.session.settings import AoAlgorithm, AoKey
from bgpd.session.sockets import TcpNetwork
from tests.support.speakers import settings

KEY = AoKey(7, 9, AoAlgorithm.HMAC_SHA1_96, "secret")
CMAC = AoKey(1, 2, AoAlgorithm.AES_128_CMAC_96, "x" * 80)


class Storage(ctypes.Structure):
    """struct __kernel_sockaddr_storage: 128 octets, aligned like a pointer."""

    _fields_ = (("family", ctypes.c_uint16), ("rest", ctypes.c_uint8 * 118), ("align", ctypes.c_uint64))


class Add(ctypes.Structure):
    """struct tcp_ao_add, field by field as include/uapi/linux/tcp.h has it."""

    _fields_ = (
        ("addr", Storage),
        ("alg_name", ctypes.c_char * 64),
        ("ifindex", ctypes.c_int32),
        ("set_current", ctypes.c_uint32, 1),
        ("set_rnext", ctypes.c_uint32, 1),
        ("reserved", ctypes.c_uint32, 30),
        ("reserved2", ctypes.c_uint16),
        ("prefix", ctypes.c_uint8),
        ("sndid", ctypes.c_uint8),
        ("rcvid", ctypes.c_uint8),
        ("maclen", ctypes.c_uint8),
        ("keyflags", ctypes.c_uint8),
        ("keylen", ctypes.c_uint8),
        ("key", ctypes.c_uint8 * 80),
    )


class Delete(ctypes.Structure):
    """struct tcp_ao_del."""

    _fields_ = (
        ("addr", Storage),
        ("ifindex", ctypes.c_int32),
        ("set_current", ctypes.c_uint32, 1),
        ("set_rnext", ctypes.c_uint32, 1),
        ("del_async", ctypes.c_uint32, 1),
        ("reserved", ctypes.c_uint32, 29),
        ("reserved2", ctypes.c_uint16),
        ("prefix", ctypes.c_uint8),
        ("sndid", ctypes.c_uint8),
        ("rcvid", ctypes.c_uint8),
        ("current_key", ctypes.c_uint8),
        ("rnext", ctypes.c_uint8),
        ("keyflags", ctypes.c_uint8),
    )


class Info(ctypes.Structure):
    """struct tcp_ao_info_opt."""

    _fields_ = (
        ("set_current", ctypes.c_uint32, 1),
        ("set_rnext", ctypes.c_uint32, 1),
        ("ao_required", ctypes.c_uint32, 1),
        ("set_counters", ctypes.c_uint32, 1),
        ("accept_icmps", ctypes.c_uint32, 1),
        ("reserved", ctypes.c_uint32, 27),
        ("reserved2", ctypes.c_uint16),
        ("current_key", ctypes.c_uint8),
        ("rnext", ctypes.c_uint8),
        ("counters", ctypes.c_uint64 * 5),
    )


@pytest.mark.parametrize(
    ("structure", "packed", "size"),
    [(Add, tcp_ao.ADD, 288), (Delete, tcp_ao.DELETE, 144), (Info, tcp_ao.INFO, 48)],
)
def test_structures_are_as_long_as_the_kernels(structure: type[ctypes.Structure], packed: object, size: int) -> None:
    assert ctypes.sizeof(structure) == size == getattr(packed, "size", 0)


@pytest.mark.rfc("5925", "3.1")
@pytest.mark.rfc("5926", "3.2")
@pytest.mark.parametrize(("key", "name"), [(KEY, b"hmac(sha1)"), (CMAC, b"cmac(aes128)")])
@pytest.mark.parametrize(("address", "at"), [("192.0.2.1", 4), ("2001:db8::1", 8)])
@pytest.mark.parametrize("is_current", [True, False])
def test_a_key_to_add(key: AoKey, name: bytes, address: str, at: int, is_current: bool) -> None:
    octets = parse_address(address)
    value = tcp_ao.add_key(octets, 24, key, is_current=is_current)
    read = Add.from_buffer_copy(value)
    assert read.addr.family == (socket.AF_INET if len(octets) == 4 else socket.AF_INET6)
    assert value[2:at] == bytes(at - 2)  # any port, no flow label
    assert value[at : at + len(octets)] == octets
    assert read.alg_name == name
    assert (read.ifindex, read.reserved, read.reserved2, read.keyflags) == (0, 0, 0, 0)
    assert (read.set_current, read.set_rnext) == (is_current, is_current)
    assert (read.prefix, read.sndid, read.rcvid, read.maclen) == (24, key.send_id, key.recv_id, 12)
    assert bytes(read.key[: read.keylen]) == key.key.encode()


def test_a_key_to_delete() -> None:
    read = Delete.from_buffer_copy(tcp_ao.delete_key(parse_address("192.0.2.0"), 24, KEY))
    assert (read.addr.family, read.prefix, read.sndid, read.rcvid) == (socket.AF_INET, 24, 7, 9)
    assert (read.set_current, read.set_rnext, read.del_async, read.reserved, read.reserved2) == (0, 0, 0, 0, 0)


def test_an_accepted_connection_asks_for_the_preferred_key_and_takes_nothing_unsigned() -> None:
    read = Info.from_buffer_copy(tcp_ao.ask_for(KEY))
    assert (read.set_current, read.set_rnext, read.ao_required, read.rnext) == (0, 1, 1, 9)
    assert (read.set_counters, read.accept_icmps, read.reserved, read.reserved2) == (0, 0, 0, 0)


def test_a_key_too_long_for_the_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 80 octets, this one 81"):
        tcp_ao.add_key(bytes(4), 32, AoKey(1, 1, AoAlgorithm.HMAC_SHA1_96, "x" * 81), is_current=True)


def test_the_kernel_takes_the_key_or_says_that_it_has_no_tcp_ao() -> None:
    why = TcpNetwork().refusal(settings("127.0.0.1", ao_keys=(KEY, CMAC)))
    assert why in ("", "TCP-AO key cannot be used: this kernel has no TCP-AO, which came with Linux 6.7")


def test_nothing_to_sign_with_and_a_password_are_fine_with_this_kernel() -> None:
    assert TcpNetwork().refusal(settings("127.0.0.1")) == ""
    assert TcpNetwork().refusal(settings("::1", password="secret")) == ""
    assert "at most 80 octets" in TcpNetwork().refusal(settings("::1", password="x" * 81))
