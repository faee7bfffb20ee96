"""Connections that were closed and that TCP is not done with yet."""

import asyncio
from typing import Final

from bgpd.errors import Cease, CeaseSubcode
from bgpd.messages import codec
from bgpd.messages.framing import MessageType
from bgpd.messages.notification import from_error
from bgpd.session.connection import Connection
from bgpd.session.counts import MessageCounts

_MOST: Final = 8  # refused connections that may be told why at a time; more are reset


class ClosingConnections:
    """Those of one peer. counts: of its messages."""

    __slots__ = ("_connections", "_counts")

    def __init__(self, counts: MessageCounts) -> None:
        self._connections: set[Connection] = set()
        self._counts = counts

    def add(self, connection: Connection) -> None:
        """Remember a connection until TCP is done with it."""
        if not connection.is_gone:
            self._connections.add(connection)
            connection.gone = self._connections.discard

    def refuse(self, connection: Connection, why: str) -> None:
        """Close a connection that the peer opened, and say why unless too many are being closed."""
        self.add(connection)
        if len(self._connections) > _MOST:
            connection.abort()
            return
        connection.write(codec.encode(from_error(Cease(CeaseSubcode.CONNECTION_REJECTED, why=why))))
        self._counts.sent[MessageType.NOTIFICATION] += 1
        connection.close()

    async def wait(self) -> None:
        """Wait until all are gone; a few seconds at most."""
        await asyncio.gather(*(connection.wait_closed() for connection in tuple(self._connections)))
