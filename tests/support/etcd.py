"""A real etcd: one member or several, with TLS and users, stopped and started as a test likes.

It is on loopback, or at a place of another network namespace.

Needs Debian's etcd-server; a machine without it fails the tests that are marked ``etcd``.
"""

import asyncio
import shutil
import signal
import subprocess
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bgpd.config import ResolvedEtcd
from bgpd.datastore.etcd import Etcd
from bgpd.datastore.store import StoreError
from tests.support.daemon import free_port
from tests.support.netns import Enterable

PATIENCE = 20.0  # seconds


@dataclass(frozen=True)
class Place:
    """Where members listen for clients. namespace: None = ours."""

    host: str = "127.0.0.1"
    namespace: Enterable | None = None

    def entered(self) -> AbstractContextManager[None]:
        """Start processes there for the length of a with statement."""
        return nullcontext() if self.namespace is None else self.namespace.entered()


class Member:
    """One member of a cluster of etcd."""

    def __init__(self, name: str, directory: Path, scheme: str, place: Place) -> None:
        self.name = name
        self.directory = directory
        self.place = place
        self.url = f"{scheme}://{place.host}:{free_port()}"
        self.peer_url = f"http://127.0.0.1:{free_port()}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start it; it need not answer yet."""
        assert self.process is None
        program = shutil.which("etcd")
        assert program is not None, "etcd is not installed: apt-get install etcd-server"
        with (self.directory / f"{self.name}.log").open("ab") as log, self.place.entered():
            self.process = subprocess.Popen(
                [
                    program, "--name", self.name, "--data-dir", str(self.directory / self.name),
                    "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
                    "--listen-peer-urls", self.peer_url, "--initial-advertise-peer-urls", self.peer_url,
                    "--heartbeat-interval", "50", "--election-timeout", "500", "--unsafe-no-fsync", *options,
                ],
                stdout=log,
                stderr=log,
            )  # fmt: skip

    def stop(self, number: int = signal.SIGKILL) -> None:
        """End it, by default as a power cut does."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait(PATIENCE)
            self.process = None

    def freeze(self) -> None:
        """Let it keep its connections and say nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def erase(self) -> None:
        """Lose its data."""
        assert self.process is None
        shutil.rmtree(self.directory / self.name)


class EtcdCluster:
    """Members at one place."""

    def __init__(
        self,
        directory: Path,
        members: int = 1,
        tls: "Tls | None" = None,
        *options: str,
        place: Place = Place(),  # frozen
    ) -> None:
        self.tls = tls
        self.place = place
        self.user = ""  # of etcdctl: name and password, joined by a colon
        self._options = options
        scheme = "https" if tls is not None else "http"
        self.members = [Member(f"m{number}", directory, scheme, place) for number in range(members)]
        for member in self.members:
            self.start(member)

    def start(self, member: Member) -> None:
        """Start a member, for the first time or again."""
        others = ",".join(f"{one.name}={one.peer_url}" for one in self.members)
        tls = self.tls.options() if self.tls is not None else ()
        member.start("--initial-cluster", others, *self._options, *tls)

    def close(self) -> None:
        """End all members."""
        for member in self.members:
            member.stop()

    def settings(self, username: str = "", password_file: str = "") -> ResolvedEtcd:
        """Return what stands in [etcd] for a client of all members."""
        return ResolvedEtcd(
            endpoints=tuple(member.url for member in self.members),
            ca_file=str(self.tls.ca) if self.tls is not None else "",
            cert_file=str(self.tls.client_certificate) if self.tls is not None else "",
            key_file=str(self.tls.client_key) if self.tls is not None else "",
            username=username,
            password_file=password_file,
            prefix="/calico",
        )

    def client(self, settings: ResolvedEtcd | None = None, seed: int = 1) -> Etcd:
        """Return a client of all members."""
        return Etcd(settings or self.settings(), Random(seed))

    async def answering(self, client: Etcd | None = None, key: str = "/") -> None:
        """Wait until a key can be read."""
        asked = client or self.client()
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        await asked.get(key)
                        return
                    except StoreError:
                        await asyncio.sleep(0.1)
        finally:
            if client is None:
                await asked.close()

    def etcdctl(self, *words: str, given: str = "") -> str:
        """Return what etcdctl says to these words, with that on its standard input."""
        tls = self.tls
        user = ("--user", self.user) if self.user else ()
        files = () if tls is None else ("--cacert", str(tls.ca), "--cert", str(tls.certificate), "--key", str(tls.key))
        command = ["etcdctl", "--endpoints", ",".join(member.url for member in self.members), *files, *user, *words]
        environment = {"ETCDCTL_API": "3"}
        with self.place.entered():
            done = subprocess.run(
                command, input=given, capture_output=True, text=True, check=False, timeout=PATIENCE, env=environment
            )
        assert done.returncode == 0, done.stderr
        return done.stdout


class Tls:
    """An authority, a certificate of it that members use at a host's address, and one that clients use."""

    def __init__(self, directory: Path, host: str = "127.0.0.1") -> None:
        directory.mkdir(exist_ok=True)
        self._directory = directory
        self._host = host
        self.ca, self.ca_key = directory / "ca.pem", directory / "ca.key"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=bgpd test authority", "-keyout", self.ca_key, "-out", self.ca,
        )  # fmt: skip
        self.certificate, self.key = self.issue("node")
        self.client_certificate, self.client_key = self.issue("client")

    def issue(self, name: str, days: int = 2) -> tuple[Path, Path]:
        """Write a certificate and its key, in place of those of that name. days: from now; -1 = until yesterday."""
        certificate, key = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        request, extensions = self._directory / f"{name}.csr", self._directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName = IP:{self._host}\nextendedKeyUsage = serverAuth, clientAuth\n")
        self._openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", f"/CN={name}", "-keyout", key, "-out", request,
        )  # fmt: skip
        self._openssl(
            "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial",
            "-days", str(days), "-extfile", extensions, "-out", certificate,
        )  # fmt: skip
        return certificate, key

    def options(self) -> tuple[str, ...]:
        """Return what a member is told."""
        return (
            "--cert-file", str(self.certificate), "--key-file", str(self.key),
            "--trusted-ca-file", str(self.ca), "--client-cert-auth",
        )  # fmt: skip

    def _openssl(self, *words: str | Path) -> None:
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=PATIENCE)
