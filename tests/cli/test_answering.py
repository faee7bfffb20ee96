"""When the API's library is imported, and what a plain daemon never imports."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from bgpd.api.server import Server
from bgpd.api.sockets import bind_unix
from bgpd.cli import answering
from bgpd.cli.answering import Answering
from tests.support.operations import Answers

# What costs time at the start, and whose door it is: the API, bgpctl, etcd
NOT_AT_START = {"aetcd", "aiohttp", "grpc", "prometheus_client", "rich", "typer", "yaml"}
NEVER = {"aetcd", "grpc", "rich", "typer", "yaml"}
IMPORTED = "API imported"  # what the log says when the library has been


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    bound = bind_unix(tmp_path / "s", 0o600)
    yield bound
    bound.close()


def events(lines: list[EventDict]) -> list[object]:
    return [line["event"] for line in lines]


async def _get(path: Path, page: str) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(f"GET {page} HTTP/1.0\r\nHost: bgpd\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


async def test_the_first_request_is_answered_though_nothing_was_imported_before_it(listener: socket.socket) -> None:
    answers = Answering([(listener, True)], None)
    with capture_logs() as lines:
        answers.begin(Answers())
        await asyncio.sleep(0)
        assert IMPORTED not in events(lines)
        assert b'"state"' in await _get(Path(listener.getsockname()), "/api/v1/status")
        assert IMPORTED in events(lines)
    await answers.close()


async def test_it_answers_soon_if_nobody_asks_and_there_is_little_to_do(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "QUIET", 0.01)
    monkeypatch.setattr(answering, "QUIET_SHARE", 1.0)
    answers = Answering([(listener, True)], None)
    with capture_logs() as lines:
        answers.begin(Answers())
        async with asyncio.timeout(30):
            while IMPORTED not in events(lines):
                await asyncio.sleep(0.005)
    await answers.close()


async def test_it_does_not_come_between_while_there_is_much_to_do(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "QUIET", 0.01)
    seconds = iter(range(10_000))  # of work, more at each look
    looks: list[int] = []

    def process_time() -> float:
        looks.append(1)
        return next(seconds)

    monkeypatch.setattr(time, "process_time", process_time)
    answers = Answering([(listener, True)], None)
    with capture_logs() as lines:
        answers.begin(Answers())
        async with asyncio.timeout(30):
            while len(looks) < 7:
                await asyncio.sleep(0.005)
        assert lines == []
        assert b'"state"' in await _get(Path(listener.getsockname()), "/api/v1/status")
    await answers.close()


async def test_a_library_that_cannot_be_imported_keeps_nobody_waiting(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ImportError("broken")

    monkeypatch.setattr(answering, "_import_server", fail)
    path = Path(listener.getsockname())
    answers = Answering([(listener, True)], None)
    with capture_logs() as lines:
        answers.begin(Answers())
        async with asyncio.timeout(30):
            with pytest.raises(OSError, match=r"reset|refused"):
                await _get(path, "/api/v1/status")
            with pytest.raises(ConnectionRefusedError):
                await _get(path, "/api/v1/status")
    assert events(lines) == ["a fault in bgpd: the API does not answer"]
    await answers.close()


async def test_a_socket_that_cannot_be_served_ends_all_answers_and_nothing_more(
    listener: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = Server.serve

    async def serve_the_first(server: Server, listener: socket.socket, *, is_full: bool) -> None:
        if not is_full:
            raise OSError("broken")
        await serve(server, listener, is_full=is_full)

    monkeypatch.setattr(Server, "serve", serve_the_first)
    second = bind_unix(tmp_path / "s.ro", 0o666)
    paths = [Path(listener.getsockname()), Path(second.getsockname())]
    answers = Answering([(listener, True), (second, False)], None)
    with capture_logs() as lines:
        answers.begin(Answers())
        async with asyncio.timeout(30):
            with pytest.raises(OSError, match=r"reset|refused"):
                await _get(paths[1], "/api/v1/status")
            for path in paths:
                with pytest.raises(ConnectionRefusedError):
                    await _get(path, "/api/v1/status")
    assert events(lines)[-1] == "a fault in bgpd: the API does not answer"
    await answers.close()


async def test_it_can_end_before_anybody_has_asked(listener: socket.socket) -> None:
    answers = Answering([(listener, True)], None)
    with capture_logs() as lines:
        answers.begin(Answers())
        await asyncio.sleep(0)
        await answers.close()
    assert lines == []


@pytest.mark.parametrize(
    ("module", "unwanted"), [("bgpd.cli.daemon", NOT_AT_START), ("bgpd.api.server", NEVER)], ids=["start", "API"]
)
def test_a_plain_daemon_imports_nothing_that_it_does_not_need(module: str, unwanted: set[str]) -> None:
    code = f"import sys; sys.modules['rich'] = None; import {module}; print(*(n for n, m in sys.modules.items() if m))"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not unwanted & {name.partition(".")[0] for name in names}
