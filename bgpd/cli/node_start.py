"""What a node's daemon is started with: a small bgp.toml that names the node and etcd, or the operator's own file."""

import json
import os
import sys
from pathlib import Path

import typer

from bgpd.api.rows import Failure
from bgpd.cli.client import Refusal
from bgpd.cli.etcd_options import etcd_settings
from bgpd.config import ConfigError, ResolvedEtcd, load, resolve_process
from bgpd.config.toml import host_name
from bgpd.datastore.resources.values import bad_name
from bgpd.records import dataclass

_PRIVATE = 0o600
_WRONG = 400  # HTTP's status for what the caller got wrong


@dataclass(frozen=True, slots=True)
class Plan:
    """A start. text: of the file, empty = it is the operator's. password: of etcd, to be put into its file."""

    name: str
    socket: Path
    file: Path
    text: str = ""
    password_file: Path | None = None
    password: str = ""

    @property
    def command(self) -> list[str]:
        """The daemon's command line."""
        return [sys.executable, "-m", "bgpd", "--config", str(self.file)]

    @property
    def log(self) -> Path:
        """Where the daemon writes, beside its socket."""
        return self.socket.with_name(f"{self.name}.log")

    def write(self) -> None:
        """Write the files that are ours."""
        self.socket.parent.mkdir(parents=True, exist_ok=True)
        if self.text:
            _write(self.file, self.text)
        if self.password_file is not None:
            _write(self.password_file, self.password)


def planned(name: str, endpoints: str, config: Path | None, socket: Path) -> Plan:
    """Return how a node starts. Raises Refusal."""
    if config is not None:
        return _own_file(name, config)
    name = name or host_name().lower()
    if why := bad_name(name):
        raise typer.BadParameter(f"--name: {why}")
    settings = etcd_settings(endpoints, None, os.environ)
    password_file, password = None, ""
    if settings.password_file:
        password = Path(settings.password_file).read_text()
        password_file = socket.with_name(f"{name}.etcd-password")
    text = _toml(name, socket, settings, password_file)
    return Plan(name, socket, socket.with_name(f"{name}.toml"), text, password_file, password)


def _own_file(name: str, config: Path) -> Plan:
    try:
        process = resolve_process(load(config))
    except ConfigError as error:
        raise Refusal(_WRONG, Failure(str(error))) from error
    if name and name != process.name:
        raise typer.BadParameter(f"--name {name}: {config} says node.name = {process.name}")
    return Plan(process.name, Path(process.control.socket), config)


def _toml(name: str, socket: Path, settings: ResolvedEtcd, password_file: Path | None) -> str:
    etcd = {
        "ca_file": settings.ca_file,
        "cert_file": settings.cert_file,
        "key_file": settings.key_file,
        "username": settings.username,
        "password_file": str(password_file or ""),
    }
    files = {key: os.path.abspath(value) if value and key != "username" else value for key, value in etcd.items()}
    lines = [
        "[node]",
        f"name = {json.dumps(name)}",
        "[etcd]",
        f"endpoints = {json.dumps(list(settings.endpoints))}",
        f"prefix = {json.dumps(settings.prefix)}",
        *(f"{key} = {json.dumps(value)}" for key, value in files.items() if value),
        "[control]",
        f"socket = {json.dumps(os.path.abspath(socket))}",
    ]
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    made = path.with_name(f".{path.name}.new")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    made.replace(path)
