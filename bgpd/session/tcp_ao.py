"""TCP-AO as Linux takes it: the structures of its socket options.

RFC 5925 (3.1: what a key is), RFC 5926 (algorithms). include/uapi/linux/tcp.h of Linux 6.7 and newer: every structure
starts at a multiple of 8 octets and is packed in the host's order, the bit fields from the lowest bit up. Addresses are
4 or 16 octets.
"""

import errno
import socket
import struct
from collections.abc import Iterable
from typing import Final

from bgpd.families import FAMILY_BY_ADDRESS_SIZE
from bgpd.session.settings import AoAlgorithm, AoKey

TCP_AO_ADD_KEY: Final = 38
TCP_AO_DEL_KEY: Final = 39
TCP_AO_INFO: Final = 40

MAX_KEY: Final = 80  # octets
_CODE_SIZE: Final = 12  # octets: both algorithms of RFC 5926 are cut to 96 bits
_SET_CURRENT: Final = 1
_SET_RNEXT: Final = 2
_AO_REQUIRED: Final = 4
_ALGORITHMS: Final = {AoAlgorithm.HMAC_SHA1_96: b"hmac(sha1)", AoAlgorithm.AES_128_CMAC_96: b"cmac(aes128)"}

# struct tcp_ao_add: sockaddr_storage, algorithm, interface index, flags, padding, prefix length, send and receive
# identifier, size of the code, key flags, key length, key
ADD: Final = struct.Struct("=128s64siIHBBBBBB80s")
# struct tcp_ao_del: sockaddr_storage, interface index, flags, padding, prefix length, send and receive identifier,
# current and next key to go on with, key flags
DELETE: Final = struct.Struct("=128siIHBBBBBB")
# struct tcp_ao_info_opt: flags, padding, current key, next key, five counters
INFO: Final = struct.Struct("=IHBB5Q")


def add_key(address: bytes, length: int, key: AoKey, *, is_current: bool) -> bytes:
    """Return the option that adds a key for a peer's prefix.

    is_current: send with it, and ask the peer to; not allowed on a listening socket. Raises ValueError for a key that
    is too long.
    """
    octets = key.key.encode()
    if len(octets) > MAX_KEY:
        raise ValueError(f"a TCP-AO key has at most {MAX_KEY} octets, this one {len(octets)}")
    return ADD.pack(
        _sockaddr(address),
        _ALGORITHMS[key.algorithm],
        0,
        _SET_CURRENT | _SET_RNEXT if is_current else 0,
        0,
        length,
        key.send_id,
        key.recv_id,
        _CODE_SIZE,
        0,
        len(octets),
        octets,
    )


def delete_key(address: bytes, length: int, key: AoKey) -> bytes:
    """Return the option that deletes a key of a peer's prefix."""
    return DELETE.pack(_sockaddr(address), 0, 0, 0, length, key.send_id, key.recv_id, 0, 0, 0)


def ask_for(key: AoKey) -> bytes:
    """Return the option that asks the peer of a connection to send with this key, and takes nothing unsigned."""
    return INFO.pack(_SET_RNEXT | _AO_REQUIRED, 0, 0, key.recv_id, 0, 0, 0, 0, 0)


def sign_dial(target: socket.socket, address: bytes, keys: Iterable[AoKey]) -> None:
    """Let a socket that is to be connected use these keys, the first one to send with. Raises OSError, ValueError."""
    for index, key in enumerate(keys):
        option = add_key(address, len(address) * 8, key, is_current=index == 0)
        _set(target, TCP_AO_ADD_KEY, option)


def sign_listening(target: socket.socket, address: bytes, length: int, keys: Iterable[AoKey]) -> None:
    """Require these keys of who dials from that prefix. Raises OSError, ValueError."""
    for key in keys:
        _set(target, TCP_AO_ADD_KEY, add_key(address, length, key, is_current=False))


def forget(target: socket.socket, address: bytes, length: int, keys: Iterable[AoKey]) -> None:
    """Take keys away from a listening socket again; one that it does not have is no fault. Raises OSError."""
    for key in keys:
        try:
            _set(target, TCP_AO_DEL_KEY, delete_key(address, length, key))
        except FileNotFoundError:
            continue  # it could not be added either


def prefer(accepted: socket.socket, key: AoKey) -> None:
    """Ask the peer of an accepted connection to send with this key. Raises OSError."""
    _set(accepted, TCP_AO_INFO, ask_for(key))


def _set(target: socket.socket, option: int, value: bytes) -> None:
    try:
        target.setsockopt(socket.IPPROTO_TCP, option, value)
    except OSError as error:
        if error.errno == errno.ENOPROTOOPT:
            raise OSError("this kernel has no TCP-AO, which came with Linux 6.7") from error  # without an errno
        if error.errno == errno.EKEYREJECTED:
            raise OSError("there is a TCP-MD5 password for the same address") from error
        raise


def _sockaddr(address: bytes) -> bytes:
    """Return a sockaddr_in or sockaddr_in6 without a port."""
    family = struct.pack("=H", FAMILY_BY_ADDRESS_SIZE[len(address)].kernel)
    return family + bytes(2 if len(address) == 4 else 6) + address
