"""When the API begins to answer on the sockets that are bound: its library is imported when somebody asks.

The import takes as long as all of the start before it, and even in a thread it would take half of the interpreter from
the first sessions or the first table. So it waits for the first request, which waits in its socket's queue meanwhile,
or for a while with little to do, so that the first answer need not take long. Times are seconds.
"""

import asyncio
import socket
import time
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import structlog

from bgpd.api.operations import Glance, Operations
from bgpd.api.sockets import ApiError

if TYPE_CHECKING:
    from bgpd.api.server import Server

Bound = list[tuple[socket.socket, bool]]
"""Listening sockets, each with whether it may do everything (or only read)."""

QUIET: Final = 3.0  # without a request, and with
QUIET_SHARE: Final = 0.1  # of that at work at most
_LIBRARIES: Final = ("aiohttp", "prometheus_client")  # what is imported late

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd")


class Answering:
    """The API of a daemon that is up. server: that answers on the sockets already, None = there is none yet."""

    def __init__(self, bound: Bound, server: "Server | None") -> None:
        self._bound = bound
        self._server = server
        self._task: asyncio.Task[None] | None = None

    def begin(self, operations: Operations) -> None:
        """Answer everything as soon as somebody asks."""
        if self._server is not None:
            self._server.begin(operations)
        else:
            self._task = asyncio.get_running_loop().create_task(self._begin_when_asked(operations))

    async def close(self) -> None:
        """Stop answering."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._server is not None:
            await self._server.close()

    async def _begin_when_asked(self, operations: Operations) -> None:
        """The root of its task."""
        try:
            await _asked([listener for listener, _ in self._bound])
            self._server = await make_server(operations)
            _log.debug("API imported")
            self._server.begin(operations)  # before the request that waits is looked at
            await answer(self._server, self._bound)
        except Exception:
            _log.exception("a fault in bgpd: the API does not answer")
            if self._server is not None:
                await self._server.close()  # first: it may have begun to listen on some of them
            for listener, _ in self._bound:
                listener.close()  # whoever waits there is told at once


def require_libraries() -> None:
    """See that what will be imported late is installed: a start can still be refused. Raises ApiError."""
    for name in _LIBRARIES:
        if find_spec(name) is None:
            raise ApiError(f"the API needs the Python package {name}", "install it, as bgpd's own installation does")


async def make_server(glance: Glance) -> "Server":
    """Return a server that answers what it can, on no socket yet; its library is imported in a thread."""
    return (await asyncio.get_running_loop().run_in_executor(None, _import_server))(glance)


async def answer(server: "Server", bound: Bound) -> None:
    """Have the server answer on the sockets from now on."""
    for listener, is_full in bound:
        await server.serve(listener, is_full=is_full)


async def _asked(listeners: list[socket.socket]) -> None:
    """Return when a connection waits on one of the sockets, or after ``QUIET``."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    for listener in listeners:
        loop.add_reader(listener, asked.set)
    try:
        while not asked.is_set():
            ran = time.process_time()
            with suppress(TimeoutError):
                await asyncio.wait_for(asked.wait(), QUIET)
            if time.process_time() - ran < QUIET_SHARE * QUIET:
                return
    finally:
        for listener in listeners:
            loop.remove_reader(listener)


def _import_server() -> "type[Server]":
    from bgpd.api.server import Server

    return Server
