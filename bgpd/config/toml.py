"""The edge of the package: the TOML file, the password files beside it, and the host's name.

Everything else in ``config`` works on values.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from bgpd.config.checks import check_file
from bgpd.config.model import Config
from bgpd.config.positions import line_of, positions
from bgpd.config.problems import ConfigError, Finding, Problem
from bgpd.config.reader import read
from bgpd.config.syntax import MAX_PASSWORD

_MAX_PASSWORD_FILE: Final = 4096  # octets that are read before a file counts as no password
_ETCD_FILES: Final = ("ca_file", "cert_file", "key_file", "password_file", "secrets_dir")


def load(path: str | Path) -> Config:
    """Return the configuration in a file. Raises ConfigError with every problem that it has.

    Relative paths of password, key and certificate files are taken from the file's directory.
    """
    file = str(path)
    try:
        octets = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError((Problem(file, "", f"cannot be read: {error.strerror}"),)) from error
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        line = octets[: error.start].count(b"\n") + 1
        raise ConfigError((Problem(file, "", "expected UTF-8 text", line),)) from error
    return parse(text, file)


def parse(text: str, file: str) -> Config:
    """Return the configuration in a TOML text; file: its path, for messages and relative paths. Raises ConfigError."""
    try:
        document = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, or a number of more digits than int() takes
        raise ConfigError((Problem(file, "", f"not TOML: {error}"),)) from error
    except RecursionError as error:
        raise ConfigError((Problem(file, "", "not TOML: nested too deeply"),)) from error
    clean, findings = read(document, Config)
    config = msgspec.convert(_with_absolute_paths(clean, Path(file).parent), Config)
    findings += _independent(check_file(config), findings)
    if findings:
        lines = positions(text)
        problems = [Problem(file, one.key, one.message, line_of(one.key, lines)) for one in findings]
        raise ConfigError(tuple(sorted(problems, key=lambda problem: problem.line)))
    return config


def read_password(path: str) -> tuple[str | None, str]:
    """Return the password in a file and "", or None and why it cannot be used. Line ends behind it do not count."""
    try:
        with open(path, "rb") as file:
            octets = file.read(_MAX_PASSWORD_FILE).rstrip(b"\r\n")
    except OSError as error:
        return None, f"password file {path}: {error.strerror}"
    if not octets:
        return None, f"password file {path}: empty"
    if len(octets) > MAX_PASSWORD:
        return None, f"password file {path}: longer than the {MAX_PASSWORD} octets that TCP-MD5 takes"
    try:
        return octets.decode(), ""
    except UnicodeDecodeError:
        return None, f"password file {path}: not UTF-8 text"


def host_name() -> str:
    """Return the host's name."""
    return os.uname().nodename


def _with_absolute_paths(document: Mapping[str, object], directory: Path) -> dict[str, object]:
    """Return the document with the password and key files made absolute."""
    made = dict(document)
    if isinstance(etcd := made.get("etcd"), dict):
        for key in _ETCD_FILES:
            etcd = _absolute(etcd, key, directory)
        made["etcd"] = etcd
    for name in ("peer", "peer_range"):
        tables = made.get(name)
        if isinstance(tables, list):
            made[name] = [_with_absolute_path(table, directory) for table in tables]
    return made


def _with_absolute_path(table: dict[str, object], directory: Path) -> dict[str, object]:
    made = _absolute(table, "password_file", directory)
    tcp_ao = table.get("tcp_ao")
    if isinstance(tcp_ao, dict) and isinstance(tcp_ao.get("keys"), list):
        made["tcp_ao"] = {**tcp_ao, "keys": [_absolute(key, "key_file", directory) for key in tcp_ao["keys"]]}
    return made


def _absolute(table: dict[str, object], key: str, directory: Path) -> dict[str, object]:
    written = table.get(key)
    return {**table, key: str(directory / written)} if isinstance(written, str) and written else dict(table)


def _independent(later: list[Finding], earlier: list[Finding]) -> list[Finding]:
    """Return the later findings that do not merely follow from an earlier one."""
    faulty = tuple(finding.key for finding in earlier)
    return [
        one
        for one in later
        if not any(_is_at_or_in(one.key, fault) for fault in faulty)
        and not any(_is_at_or_in(key, fault) or _is_at_or_in(fault, key) for key in one.reads for fault in faulty)
    ]


def _is_at_or_in(key: str, outer: str) -> bool:
    return key == outer or key.startswith((f"{outer}.", f"{outer}["))
