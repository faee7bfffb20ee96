"""The HTTP server: the full API on a Unix socket, what only reads on a second one and on TCP.

Every answer is JSON but ``/metrics``; a refusal is ``{"error": ..., "hint": ...}``. A long list is one JSON object
that is sent while the table is read, with one row on each line: ``{"rows":[``, the rows, ``],"next":1000}``;
``next`` is the ``start`` that goes on, or null. So neither the daemon nor a client that reads lines holds a whole
table.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import msgspec
from aiohttp import web

from bgpd.addresses import parse_prefix
from bgpd.api.metrics import expose
from bgpd.api.operations import Glance, Operations, Refused, RouteQuery, Row, Slice
from bgpd.api.policy_queries import parse_policy_query
from bgpd.api.rows import Failure, PeerList, Proposal
from bgpd.families import FAMILY_BY_NAME, Family

API: Final = "/api/v1"
CLOSE_TIMEOUT: Final = 0.5  # seconds
MAX_LIMIT: Final = 1_000_000_000
MAX_WAIT: Final = 86400.0  # seconds that draining may take
_MOST_DIGITS: Final = 32
_ENCODER: Final = msgspec.json.Encoder()
_JSON: Final = "application/json"


class Server:
    """The API of one daemon. Until it is told to begin, it has only a glance to give, and refuses the rest."""

    def __init__(self, glance: Glance) -> None:
        self._glance = glance
        self._begun: Operations | None = None
        self._runners: list[web.AppRunner] = []
        self._servers: list[asyncio.AbstractServer] = []

    def look(self, glance: Glance) -> None:
        """Give another glance from now on."""
        self._glance = glance

    def begin(self, operations: Operations) -> None:
        """Answer everything from now on."""
        self._glance = self._begun = operations

    @property
    def _operations(self) -> Operations:
        if self._begun is None:
            why = self._glance.health().why
            raise Refused(503, f"bgpd waits for its first configuration: {why}", "see bgpctl status")
        return self._begun

    async def serve(self, listener: socket.socket, *, is_full: bool) -> None:
        """Answer on a bound socket from now on; without is_full only what reads."""
        runner = web.AppRunner(self._application(is_full=is_full), access_log=None, shutdown_timeout=CLOSE_TIMEOUT)
        await runner.setup()
        self._runners.append(runner)
        assert runner.server is not None  # there is one after ``setup``
        loop = asyncio.get_running_loop()
        is_unix = listener.family is socket.AF_UNIX
        listen = loop.create_unix_server if is_unix else loop.create_server
        self._servers.append(await listen(runner.server, sock=listener))

    async def close(self) -> None:
        """Stop answering; requests that are being answered get a moment to end."""
        for server in self._servers:
            server.close()
        for runner in self._runners:
            await runner.shutdown()
            await runner.cleanup()
        self._servers.clear()
        self._runners.clear()

    def _application(self, *, is_full: bool) -> web.Application:
        application = web.Application(middlewares=[_refusals])
        application.add_routes(
            [
                web.get("/healthz", self._alive),
                web.get("/readyz", self._ready),
                web.get("/metrics", self._metrics),
                web.get(f"{API}/status", self._status),
                web.get(f"{API}/peers", self._peers),
                web.get(f"{API}/peers/{{name}}", self._peer),
                web.get(f"{API}/routes", self._routes),
                web.get(f"{API}/peers/{{name}}/routes/in", self._routes_in),
                web.get(f"{API}/peers/{{name}}/routes/out", self._routes_out),
                web.get(f"{API}/fib", self._fib),
                web.get(f"{API}/explain", self._explain),
                web.get(f"{API}/policy/test", self._policy_test),
                web.get(f"{API}/cluster", self._cluster),
            ]
        )
        commands: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
            f"{API}/reload": self._reload,
            f"{API}/diff": self._diff,
            f"{API}/drain": self._drain,
            f"{API}/undrain": self._undrain,
            f"{API}/peers/{{name}}/drain": self._drain,
            f"{API}/peers/{{name}}/undrain": self._undrain,
            f"{API}/log-level": self._log_level,
            f"{API}/peers/{{name}}/{{command:reset|hard-reset|enable|disable}}": self._command,
        }
        for path, handler in commands.items():
            application.router.add_post(path, handler if is_full else _read_only)
        return application

    async def _alive(self, _: web.Request) -> web.Response:
        return _answer({"is_alive": True})

    async def _ready(self, _: web.Request) -> web.Response:
        health = self._glance.health()
        return _answer(health, 200 if health.is_ready else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        statistics = self._glance.statistics()
        loop = asyncio.get_running_loop()
        # With a thousand peers the text is some megabytes: written in a thread, of values that do not change any more
        body, content_type = await loop.run_in_executor(None, expose, statistics, request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _status(self, _: web.Request) -> web.Response:
        return _answer(self._glance.status())

    async def _peers(self, _: web.Request) -> web.Response:
        return _answer(PeerList(tuple(self._operations.peers())))

    async def _peer(self, request: web.Request) -> web.Response:
        return _answer(self._operations.peer(request.match_info["name"]))

    async def _routes(self, request: web.Request) -> web.StreamResponse:
        query = parse_query(request)
        return await _stream(request, self._operations.routes(query), query.limit)

    async def _routes_in(self, request: web.Request) -> web.StreamResponse:
        query = parse_query(request)
        return await _stream(request, self._operations.routes_in(request.match_info["name"], query), query.limit)

    async def _routes_out(self, request: web.Request) -> web.StreamResponse:
        query = parse_query(request)
        return await _stream(request, self._operations.routes_out(request.match_info["name"], query), query.limit)

    async def _fib(self, request: web.Request) -> web.StreamResponse:
        query = parse_query(request)
        return await _stream(request, self._operations.fib(query), query.limit)

    async def _explain(self, request: web.Request) -> web.Response:
        text = request.query.get("prefix", "")
        if not text:
            raise Refused(400, "no prefix to explain", "add ?prefix=10.65.0.0/16")
        family, prefix = _prefix(text)
        return _answer(self._operations.explain(RouteQuery(family, prefix, is_address="/" not in text)))

    async def _policy_test(self, request: web.Request) -> web.Response:
        query = parse_policy_query({key: request.query.getall(key) for key in request.query})
        return _answer(self._operations.policy_trial(query))

    async def _cluster(self, _: web.Request) -> web.Response:
        view = await self._operations.cluster()
        # Half a million sessions are 60 MB: written in a thread
        body = await asyncio.get_running_loop().run_in_executor(None, _ENCODER.encode, view)
        return web.Response(body=body, content_type=_JSON)

    async def _diff(self, request: web.Request) -> web.Response:
        try:
            proposal = msgspec.json.decode(await request.read(), type=Proposal)
        except msgspec.DecodeError as error:
            raise Refused(400, f"no proposal: {error}", "see Proposal in bgpd/api/rows.py") from error
        return _answer(await self._operations.plan(proposal))

    async def _reload(self, _: web.Request) -> web.Response:
        return _answer(await self._operations.reload())

    async def _drain(self, request: web.Request) -> web.Response:
        wait = parse_wait(request.query.get("wait", "0"))
        return _answer(self._operations.drain(request.match_info.get("name", ""), wait))

    async def _undrain(self, request: web.Request) -> web.Response:
        return _answer(self._operations.undrain(request.match_info.get("name", "")))

    async def _log_level(self, request: web.Request) -> web.Response:
        return _answer(self._operations.set_log_level(request.query.get("level", "")))

    async def _command(self, request: web.Request) -> web.Response:
        name, command = request.match_info["name"], request.match_info["command"]
        operations = self._operations
        act = {
            "reset": operations.reset,
            "hard-reset": operations.hard_reset,
            "enable": operations.enable,
            "disable": operations.disable,
        }[command]
        return _answer(act(name))


def parse_wait(text: str) -> float:
    """Return the seconds. Raises Refused."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_WAIT:
        raise Refused(400, f"wait is {text!r}", f"a number of seconds, 0 to {MAX_WAIT:.0f}")
    return seconds


def parse_query(request: web.Request) -> RouteQuery:
    """Return what a request asks of a table. Raises Refused for what cannot be understood."""
    known = {"family", "prefix", "longer", "peer", "start", "limit"}
    if unknown := sorted(set(request.query) - known):
        raise Refused(400, f"unknown parameter {unknown[0]}", f"one of {', '.join(sorted(known))}")
    family = None
    if name := request.query.get("family", ""):
        family = FAMILY_BY_NAME.get(name)
        if family is None:
            raise Refused(400, f"unknown family {name}", f"one of {', '.join(FAMILY_BY_NAME)}")
    prefix, text = None, request.query.get("prefix", "")
    if text:
        wanted, (family, prefix) = family, _prefix(text)
        if wanted is not None and wanted is not family:
            raise Refused(400, f"prefix {text} is not of the family {wanted.name}")
    return RouteQuery(
        family=family,
        prefix=prefix,
        is_address=prefix is not None and "/" not in text,
        longer=_flag(request, "longer"),
        peer=request.query.get("peer", ""),
        start=_number(request, "start", 0),
        limit=_number(request, "limit", 1000),
    )


def _prefix(text: str) -> tuple[Family, bytes]:
    try:
        return parse_prefix(text)
    except ValueError as error:
        raise Refused(400, f"not a prefix: {error}", "write it as 10.65.0.0/16 or fd00:10::/64") from error


def _flag(request: web.Request, name: str) -> bool:
    text = request.query.get(name, "false")
    if text not in ("true", "false", "1", "0", ""):
        raise Refused(400, f"{name} is true or false, not {text}")
    return text in ("true", "1", "")


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    # int() raises for what is longer than any number that could be meant
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and int(text) <= MAX_LIMIT):
        raise Refused(400, f"{name} is a number from 0 to {MAX_LIMIT}, not {text}")
    return int(text)


async def _stream(request: web.Request, slices: Iterator[Slice[Row]], limit: int) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": _JSON})
    first = next(slices)  # a refusal must come before the status line is sent
    await response.prepare(request)
    out = bytearray(b'{"rows":[')
    separator, piece, sent = b"\n", first, 0
    while True:
        for row in piece.rows:
            out += separator
            out += _ENCODER.encode(row)
            separator = b",\n"
        sent += len(piece.rows)
        if piece.next is None or (limit and sent >= limit):
            break
        if out:
            await response.write(bytes(out))
            out.clear()
        await asyncio.sleep(0)  # the slice is over: keepalives and UPDATEs go before the rest of the table
        piece = next(slices)
    out += b'\n],"next":%s}\n' % (b"null" if piece.next is None else str(piece.next).encode())
    await response.write(bytes(out))
    await response.write_eof()
    return response


def _answer(value: object, status: int = 200) -> web.Response:
    return web.Response(body=_ENCODER.encode(value), status=status, content_type=_JSON)


@web.middleware
async def _refusals(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer every refusal in JSON."""
    try:
        return await handler(request)
    except Refused as refused:
        return _answer(Failure(str(refused), refused.hint), refused.status)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        answer = _answer(Failure(f"{request.method} is not allowed for {request.path}", f"use {allowed}"), error.status)
        answer.headers["Allow"] = allowed
        return answer
    except web.HTTPException as error:
        return _answer(Failure(f"{request.path}: {error.reason}", f"the API is under {API}"), error.status)


async def _read_only(_: web.Request) -> web.Response:
    raise Refused(403, "this socket only shows", "use the control socket, as root or as a member of its group")
