"""What the commands of ``bgpctl`` share: how an answer is asked for and printed, and the exit status of each end."""

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
import yaml
from rich.console import RenderableType

from bgpd.cli import show

DEGRADED: Final = 1
UNREACHABLE: Final = 2
USAGE: Final = 3
SOCKET_VARIABLE: Final = "BGPD_SOCKET"


class Output(Enum):
    """How the answer is printed."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How to print the answer.")]
SocketOption = Annotated[Path, typer.Option("--socket", envvar=SOCKET_VARIABLE, help="The daemon's control socket.")]


def print_answer(value: object, output: Output, render: Callable[[], RenderableType]) -> None:
    """Print an answer as it was asked for; render: as a table."""
    if output is Output.JSON:
        print(msgspec.json.format(msgspec.json.encode(value)).decode())
    elif output is Output.YAML:
        print(as_yaml(msgspec.to_builtins(value)), end="")
    else:
        show.out(render())


def as_yaml(value: object) -> str:
    """Return the value as YAML."""
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))
