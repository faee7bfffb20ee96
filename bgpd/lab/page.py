"""A walk-through as a page of Markdown: commands on hosts with what they print; read, compared, written anew. Pure.

In blocks of ``console``, a line ``HOST# COMMAND`` is typed on a host, lines ``> …`` go on with it, and what follows up
to the next prompt is what it prints. In a block of ``console eventually`` a command is typed again until it prints
that: what it shows takes a moment. A block of ``sh NAME`` is a program that every host has.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from bgpd.lab.options import LabError
from bgpd.records import dataclass

_FENCE: Final = "```"
_CONSOLE: Final = "console"
_EVENTUALLY: Final = "console eventually"
_PROGRAM: Final = re.compile(r"sh ([a-z]+)")
_PROMPT: Final = re.compile(r"([a-z][a-z0-9-]*)# (.+)")
_MORE: Final = "> "

# What differs from one run to the next, most specific first.
_CHANGING: Final = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
        (r"\b\d\d:\d\d:\d\d\b", "TIME"),
        (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UID"),
        (r"""(resourceVersion"?: ['"])\d+""", r"\1REVISION"),
        (r"\bis (ok|starting|degraded|waiting), process \d+", "is STATE, process NUMBER"),
        (r"(?<![\d.])\d+\.\d+\.\d+(?![\d.])", "VERSION"),
        (r"\b(time[= ]|took = )\d[\d.]* ?[mµ]?s\b", r"\1TIME"),
        (r"^rtt .*", "rtt"),
    )
)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading. text: with its marks."""

    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """A command on a host. shown: what it prints. line: of the command in the page, from 1; end: behind its output."""

    host: str
    command: str
    shown: tuple[str, ...]
    line: int
    end: int
    is_awaited: bool

    @property
    def typed(self) -> tuple[str, ...]:
        """Return the lines as they stand on a terminal."""
        first, *more = self.command.split("\n")
        return (f"{self.host}# {first}", *(f"{_MORE}{line}".rstrip() for line in more))


@dataclass(frozen=True, slots=True)
class Program:
    """A script that every host has."""

    name: str
    lines: tuple[str, ...]


Item: TypeAlias = Heading | Program | Step


def parse(text: str) -> tuple[Item, ...]:
    """Return what a page has, in order. Raises LabError."""
    return tuple(_parsed(text.splitlines()))


def _parsed(lines: list[str]) -> Iterator[Item]:
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.startswith("#"):
            yield Heading(line)
        elif line.startswith(_FENCE):
            end = next((n for n in range(at, len(lines)) if lines[n] == _FENCE), None)
            if end is None:
                raise LabError(f"line {at}: a block without an end")
            kind = line.removeprefix(_FENCE)
            if kind in (_CONSOLE, _EVENTUALLY):
                yield from _steps(lines, at, end, is_awaited=kind == _EVENTUALLY)
            elif program := _PROGRAM.fullmatch(kind):
                yield Program(program[1], tuple(lines[at:end]))
            at = end + 1


def _steps(lines: list[str], at: int, end: int, *, is_awaited: bool) -> Iterator[Step]:
    while at < end:
        prompt = _PROMPT.fullmatch(lines[at])
        if prompt is None:
            raise LabError(f"line {at + 1}: expected a prompt such as node1# at the beginning of a block of console")
        began, command = at, [prompt[2]]
        at += 1
        while at < end and (lines[at].startswith(_MORE) or lines[at] == _MORE.rstrip()):
            command.append(lines[at].removeprefix(_MORE.rstrip()).removeprefix(" "))
            at += 1
        printed = at
        while at < end and not _PROMPT.fullmatch(lines[at]):
            at += 1
        yield Step(prompt[1], "\n".join(command), tuple(lines[printed:at]), began + 1, at, is_awaited)


def is_alike(printed: Iterable[str], shown: Iterable[str]) -> bool:
    """Return whether an output is that of the page, but for times, process numbers and the like."""
    return list(map(_constant, printed)) == list(map(_constant, shown))


def _constant(line: str) -> str:
    for pattern, replacement in _CHANGING:
        line = pattern.sub(replacement, line)
    return line.rstrip()


def rewritten(text: str, printed: Mapping[Step, tuple[str, ...]]) -> str:
    """Return a page with what its commands printed now, where that is something else."""
    lines = text.splitlines()
    for step in sorted(printed, key=lambda step: step.line, reverse=True):
        if not is_alike(printed[step], step.shown):
            lines[step.end - len(step.shown) : step.end] = map(str.rstrip, printed[step])
    return "\n".join(lines) + "\n"
