"""A peer that says exactly what a test wants: octets written by hand, over a plain socket.

RFC 4271 section 4. For what no daemon can be made to say, such as attributes that nobody knows.
"""

import socket
import struct
from ipaddress import IPv4Address, IPv4Network
from types import TracebackType
from typing import Final

from tests.support.netns import Namespace

_PORT: Final = 179
_PATIENCE: Final = 10.0  # seconds
_MARKER: Final = b"\xff" * 16
_HEADER: Final = struct.Struct("!16sHB")
_OPEN, _UPDATE, _NOTIFICATION, _KEEPALIVE = 1, 2, 3, 4
WELL_KNOWN: Final = 0x40  # attribute flags
OPTIONAL_TRANSITIVE: Final = 0xC0
PARTIAL: Final = 0x20


class ScriptedPeer:
    """One session that the script opened, IPv4 unicast, without capabilities and without a hold time."""

    def __init__(self, namespace: Namespace, local: str, remote: str, asn: int, identifier: str) -> None:
        with namespace.entered():
            self._socket = socket.create_connection((remote, _PORT), _PATIENCE, (local, 0))
        self._send(_OPEN, struct.pack("!BHH4sB", 4, asn, 0, IPv4Address(identifier).packed, 0))
        self._expect(_OPEN)
        self._send(_KEEPALIVE, b"")
        self._expect(_KEEPALIVE)

    def __enter__(self) -> "ScriptedPeer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def announce(self, prefix: str, attributes: list[tuple[int, int, bytes]]) -> None:
        """Announce a prefix with attributes of (flags, code, value)."""
        block = b"".join(bytes((flags, code, len(value))) + value for flags, code, value in attributes)
        network = IPv4Network(prefix)
        nlri = bytes((network.prefixlen,)) + network.network_address.packed[: (network.prefixlen + 7) // 8]
        self._send(_UPDATE, struct.pack("!HH", 0, len(block)) + block + nlri)

    def _send(self, kind: int, body: bytes) -> None:
        self._socket.sendall(_HEADER.pack(_MARKER, _HEADER.size + len(body), kind) + body)

    def _expect(self, kind: int) -> None:
        _, length, came = _HEADER.unpack(self._read(_HEADER.size))
        body = self._read(length - _HEADER.size)
        if came != kind:
            raise AssertionError(f"expected a message of type {kind}, got type {came}: {body.hex()}")

    def _read(self, size: int) -> bytes:
        octets = b""
        while len(octets) < size:
            more = self._socket.recv(size - len(octets))
            if not more:
                raise AssertionError("the other side closed the connection")
            octets += more
        return octets
