"""The listening sockets of the API: a Unix socket for the operator's group, a read-only one, and loopback TCP.

A socket file that nobody listens on is left over from a daemon that was killed: it is replaced. One that answers
belongs to a live daemon: that is an error, and the file stays.
"""

import errno
import grp
import os
import socket
import stat
from pathlib import Path
from typing import Final

FULL_MODE: Final = 0o660
READ_ONLY_MODE: Final = 0o666
READ_ONLY_SUFFIX: Final = ".ro"
BACKLOG: Final = 128
MAX_PATH: Final = 107  # octets; sun_path without its final NUL (unix(7))


class ApiError(Exception):
    """The API cannot be offered where the configuration says. hint: what to do about it."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.hint = hint


def bind_unix(path: Path, mode: int, group: str = "") -> socket.socket:
    """Return a socket bound to the path with that mode and group (empty = the process's own). Raises ApiError."""
    if len(os.fsencode(path)) > MAX_PATH:
        raise ApiError(f"control socket {path}: the path is longer than {MAX_PATH} octets", "set [control] socket")
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o777 & ~mode)  # never wider than meant, not even for a moment
        try:
            listener.bind(os.fspath(path))
        finally:
            os.umask(before)
        path.chmod(mode)
        if group:
            os.chown(path, -1, _group_number(group))
    except OSError as error:
        listener.close()
        raise ApiError(f"control socket {path}: {error.strerror}", _hint(error, path)) from error
    except ApiError:
        listener.close()
        path.unlink()
        raise
    listener.listen(BACKLOG)  # who asks before the server is there waits, and a second daemon sees that we live
    listener.setblocking(False)
    return listener


def bind_tcp(address: str, port: int) -> socket.socket:
    """Return a socket bound to an address and port for HTTP. Raises ApiError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        hint = "another program listens there" if error.errno == errno.EADDRINUSE else ""
        raise ApiError(
            f"HTTP on {address} port {port}: {error.strerror}", hint or 'set [http] listen, or "" for none'
        ) from error
    listener.listen(BACKLOG)  # who asks before the server is there waits, and a second daemon sees that we live
    listener.setblocking(False)
    return listener


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise ApiError(f"control socket {path}: {error.strerror}", _hint(error, path)) from error
    if not stat.S_ISSOCK(mode):
        raise ApiError(
            f"control socket {path}: there is a file that is not a socket", "remove it or set [control] socket"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            raise ApiError(f"control socket {path}: {error.strerror}", _hint(error, path)) from error
    raise ApiError(
        f"control socket {path} is in use by a running bgpd", "stop it, or set another [control] socket for this one"
    )


def _hint(error: OSError, path: Path) -> str:
    if error.errno == errno.ENOENT:
        return f"create the directory {path.parent} (systemd: RuntimeDirectory=bgpd) or set [control] socket"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"bgpd must be allowed to write {path.parent}, or set [control] socket"
    return "set [control] socket"


def _group_number(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ApiError(
            f"control socket: there is no group {group}", "set [control] group to an existing group"
        ) from None
