"""The tables about the daemon as a process: ``[http]``, ``[control]`` and ``[log]``."""

from enum import StrEnum
from typing import Annotated

from bgpd.config import syntax
from bgpd.config.tables.table import Table, about


class LogLevel(StrEnum):
    """The least severity that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How log lines look: auto = text on a terminal, else JSON."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


class HttpTable(Table, frozen=True, kw_only=True):
    """Metrics, health, read-only API and the page over TCP."""

    listen: Annotated[str, about('Address and port; `""` = off.', written=syntax.HTTP_LISTEN)] = "127.0.0.1:9179"


class ControlTable(Table, frozen=True, kw_only=True):
    """The API's Unix sockets."""

    socket: Annotated[
        str,
        about(
            "Path of the socket, full API for its group; a second, read-only one has suffix `.ro`.",
            written=syntax.SOCKET_PATH,
        ),
    ] = "/run/bgpd/bgpd.sock"
    group: Annotated[str, about("Group that owns the socket.", default="the daemon's")] = ""


class LogTable(Table, frozen=True, kw_only=True):
    """Log lines on standard error."""

    level: Annotated[LogLevel, about("Least severity.")] = LogLevel.INFO
    format: Annotated[LogFormat, about("`auto` = text on a terminal, else JSON.")] = LogFormat.AUTO
