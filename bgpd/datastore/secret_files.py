"""Passwords in files: ``<directory>/<name>/<key>``, as a mounted Kubernetes Secret looks.

Each is read once and kept until ``forget``: a change of one is taken up by a reload.
"""

import stat
from pathlib import Path
from typing import Final

import structlog

from bgpd.config.toml import read_password

_OTHERS: Final = stat.S_IROTH | stat.S_IWOTH

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd")


class SecretFiles:
    """The secrets in one directory; an empty directory name = there are none."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._known: dict[tuple[str, str], str | None] = {}
        self._reasons: dict[tuple[str, str], str] = {}

    def lookup(self, name: str, key: str) -> str | None:
        """Return a secret, None = it cannot be had; then the log says why."""
        place = (name, key)
        if place not in self._known:
            self._known[place], why = self._read(name, key)
            if why and self._reasons.get(place) != why:
                _log.warning("no secret", name=name, key=key, reason=why)
            self._reasons[place] = why
        return self._known[place]

    def forget(self) -> None:
        """Read each again when it is asked for."""
        self._known.clear()

    def _read(self, name: str, key: str) -> tuple[str | None, str]:
        if not self._directory:
            return None, "etcd.secrets_dir is not set"
        if not (_is_name(name) and _is_name(key)):
            return None, "expected a name and a key that are names of files"
        file = Path(self._directory, name, key)
        try:
            if file.stat().st_mode & _OTHERS:
                _log.warning("a secret that every user of this host may read", file=str(file), hint=f"chmod o= {file}")
        except OSError as error:
            return None, f"{file}: {error.strerror}"
        return read_password(str(file))


def _is_name(text: str) -> bool:
    return bool(text) and text not in (".", "..") and "/" not in text and "\0" not in text
