"""A real etcd in a namespace of the lab, written to through its JSON gateway.

Needs Debian's etcd-server. Its data are in a directory that the caller removes; the kernel ends it with our process.
"""

import base64
import http.client
import json
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from bgpd.lab.namespaces import Namespace
from bgpd.lab.processes import become_dependent

_PORT: Final = 2379
_PATIENCE: Final = 20.0  # seconds
_POLL: Final = 0.05  # seconds


class Etcd:
    """One member, listening on an address of the namespace."""

    def __init__(self, namespace: Namespace, address: str, directory: Path) -> None:
        self.url = f"http://{address}:{_PORT}"
        self._namespace = namespace
        self._address = address
        self._directory = directory
        self._compacted = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: http.client.HTTPConnection | None = None

    def start(self) -> None:
        """Start it with the data that it has, and wait until it answers. Raises RuntimeError."""
        program = shutil.which("etcd")
        if program is None:
            raise RuntimeError("etcd is not installed: apt-get install etcd-server")
        peers = "http://127.0.0.1:2380"
        command = [
            program, "--name", "lab", "--data-dir", str(self._directory / "etcd"),
            "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
            "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", f"lab={peers}",
            "--unsafe-no-fsync",
        ]  # fmt: skip
        with (self._directory / "etcd.log").open("ab") as log, self._namespace.entered():
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=become_dependent,  # noqa: PLW1509 - two system calls, no lock taken
            )
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self.contents("/")
                return
            except OSError as error:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"etcd does not answer, see {self._directory}/etcd.log") from error
                time.sleep(_POLL)

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(_PATIENCE)
            self._process = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def compact(self) -> None:
        """Forget all but what there is now."""
        header = self._ask("range", {"key": _encoded("/")})["header"]
        assert isinstance(header, dict)
        if header["revision"] != self._compacted:  # etcd refuses to do it twice
            self._compacted = header["revision"]
            self._ask("compaction", {"revision": self._compacted})

    def put(self, key: str, value: str) -> None:
        """Write a key."""
        self._ask("put", {"key": _encoded(key), "value": _encoded(value)})

    def delete(self, key: str) -> None:
        """Delete a key."""
        self._ask("deleterange", {"key": _encoded(key)})

    def contents(self, prefix: str) -> dict[str, str]:
        """Return all values below a prefix."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        answer = self._ask("range", {"key": _encoded(prefix), "range_end": _encoded(end)})
        entries = answer.get("kvs", [])
        assert isinstance(entries, list)
        return {_decoded(one["key"]): _decoded(one.get("value", "")) for one in entries}

    def _ask(self, what: str, request: dict[str, str]) -> dict[str, object]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._address, _PORT, timeout=_PATIENCE)
            with self._namespace.entered():
                try:
                    self._connection.connect()
                except OSError:
                    self._connection = None
                    raise
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.request("POST", f"/v3/kv/{what}", json.dumps(request))
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"etcd: {what}: {answer.status} {body!r}")
        decoded: dict[str, object] = json.loads(body)
        return decoded


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()
