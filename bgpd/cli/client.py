"""The client of the API: HTTP over the daemon's Unix socket.

Lists are read row by row as the daemon sends them (see ``bgpd.api.server``). Imports little: it is most of what a
``bgpctl`` that prints JSON needs.
"""

import http.client
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from bgpd.api.rows import Failure

DEFAULT_SOCKET: Final = Path("/run/bgpd/bgpd.sock")
READ_ONLY_SUFFIX: Final = ".ro"
API: Final = "/api/v1"
TIMEOUT: Final = 60.0  # seconds without an octet

Answer = TypeVar("Answer")


class Unreachable(Exception):
    """No daemon answers."""


class Refusal(Exception):
    """The daemon answers that it will not. status: of HTTP. hint: what to do about it."""

    def __init__(self, status: int, failure: Failure) -> None:
        super().__init__(failure.error)
        self.status = status
        self.hint = failure.hint


class Client:
    """Asks one daemon. A socket that we may not write to, or that is not there, is tried again as the read-only one."""

    def __init__(self, path: Path, timeout: float = TIMEOUT) -> None:
        self._path = path
        self._timeout = timeout

    def get(self, what: str, kind: type[Answer], query: Mapping[str, str] = {}) -> Answer:
        """Return one object. Raises Unreachable, Refusal."""
        return self._object(self._ask("GET", what, query), kind)

    def command(self, what: str, kind: type[Answer], query: Mapping[str, str] = {}, text: str = "") -> Answer:
        """Have something done; text: what goes with it. Raises Unreachable, Refusal."""
        return self._object(self._ask("POST", what, query, text), kind)

    def listing(self, what: str, query: Mapping[str, str]) -> "Listing":
        """Return a list that is read as the daemon sends it. Raises Unreachable, Refusal."""
        return Listing(self._ask("GET", what, query))

    def _ask(self, method: str, what: str, query: Mapping[str, str], text: str = "") -> http.client.HTTPResponse:
        connection = _UnixConnection(self._connect(), self._timeout)
        target = f"{API}/{what}" + (f"?{urlencode(query)}" if query else "")
        try:
            connection.request(method, target, text.encode() or None, headers={"Connection": "close"})
            response = connection.getresponse()
            if response.status >= 400:
                raise Refusal(response.status, _failure(response))
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unreachable(f"bgpd does not answer on {self._path}: {error}") from error
        return response

    def _object(self, response: http.client.HTTPResponse, kind: type[Answer]) -> Answer:
        try:
            return msgspec.json.decode(response.read(), type=kind)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"bgpd stopped answering: {error}") from error
        except msgspec.DecodeError as error:
            raise Unreachable(f"what answers on {self._path} is no bgpd of this version: {error}") from error

    def _connect(self) -> socket.socket:
        read_only = self._path.with_name(self._path.name + READ_ONLY_SUFFIX)
        first: OSError | None = None
        for path in (self._path, read_only):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(self._timeout)
            try:
                connection.connect(os.fspath(path))
            except OSError as error:
                connection.close()
                first = first or error
                continue
            return connection
        reason = first.strerror if first else "no socket"
        raise Unreachable(f"no bgpd answers on {self._path}: {reason}")


class Listing:
    """The rows of a list as JSON, undecoded, one by one. next: where the list goes on, None = nowhere; read it last."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self.next: int | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            for line in self._response:
                if line.startswith(b'{"rows":['):
                    continue
                if line.startswith(b"]"):
                    self.next = msgspec.json.decode(b'{"rows":[' + line, type=_Tail).next
                    return
                yield line.rstrip(b",\n")
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"bgpd stopped answering: {error}") from error
        finally:
            self._response.close()
        raise Unreachable("bgpd stopped answering in the middle of the list")


class _Tail(msgspec.Struct):
    next: int | None


class _UnixConnection(http.client.HTTPConnection):
    """HTTP on a socket that is connected already."""

    def __init__(self, connected: socket.socket, timeout: float) -> None:
        super().__init__("bgpd", timeout=timeout)
        self.sock = connected

    def connect(self) -> None:
        """Do nothing: it is connected."""


def segment(name: str) -> str:
    """Return a peer's name as one segment of a path."""
    return quote(name, safe="")


def _failure(response: http.client.HTTPResponse) -> Failure:
    body = response.read()
    try:
        return msgspec.json.decode(body, type=Failure)
    except msgspec.DecodeError:
        return Failure(f"HTTP status {response.status}")
