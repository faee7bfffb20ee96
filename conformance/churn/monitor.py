"""What the kernel says of our routes that are deleted: rtnetlink's notifications, read when somebody asks."""

import socket
import struct
from ipaddress import ip_network
from typing import Final

from bgpd.lab.namespaces import Namespace
from conformance.churn.keys import Network

_NETLINK_ROUTE: Final = 0
_GROUPS: Final = 0x40 | 0x400  # RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE
_DELETED: Final = 25  # RTM_DELROUTE
_RTA_DST: Final = 1
_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ROUTE: Final = struct.Struct("=BBBBBBBBI")  # family, destination length, ..., protocol (5th), ...
_ATTRIBUTE: Final = struct.Struct("=HH")  # length, type
_BUFFER: Final = 1 << 20  # octets


class RouteMonitor:
    """The deletions of routes of one protocol in a namespace."""

    def __init__(self, namespace: Namespace, protocol: int) -> None:
        self._protocol = protocol
        with namespace.entered():
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _NETLINK_ROUTE)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.bind((0, _GROUPS))

    def deleted(self) -> set[Network]:
        """Return the prefixes of which a route was deleted since the last call."""
        found: set[Network] = set()
        while True:
            try:
                octets = self._socket.recv(1 << 16)
            except BlockingIOError:
                return found
            except OSError:  # ENOBUFS: there was more than the buffer holds; what is left is told
                continue
            place = 0
            while place < len(octets):
                length, kind, *_ = _HEADER.unpack_from(octets, place)
                if kind == _DELETED:
                    prefix = self._prefix(octets[place + _HEADER.size : place + length])
                    if prefix is not None:
                        found.add(prefix)
                place += length + 3 & ~3

    def _prefix(self, message: bytes) -> Network | None:
        family, bits, _, _, _, protocol, *_ = _ROUTE.unpack_from(message)
        if protocol != self._protocol:
            return None
        octets = b""
        place = _ROUTE.size
        while place < len(message):
            length, kind = _ATTRIBUTE.unpack_from(message, place)
            if kind == _RTA_DST:
                octets = message[place + _ATTRIBUTE.size : place + length]
            place += length + 3 & ~3
        size = 4 if family == socket.AF_INET else 16
        return ip_network((octets or bytes(size), bits))

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()
