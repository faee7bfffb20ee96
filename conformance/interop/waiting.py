"""Waiting for what another process will do: a condition, asked again until it holds or a limit is reached.

Seconds.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final, TypeVar

LIMIT: Final = 15.0  # a session needs about one second; the rest is for a machine that has other work
_PAUSE: Final = 0.02

Found = TypeVar("Found")


class NotYet(Exception):
    """What a probe raises while it cannot say: why it is not there yet."""


def eventually(what: str, probe: Callable[[], Found], limit: float = LIMIT) -> Found:
    """Return the first answer of the probe that is neither empty nor false.

    what: what is waited for, for the message of the AssertionError that is raised at the limit.
    """
    deadline = time.monotonic() + limit
    while True:
        last: object
        try:
            last = found = probe()
            if found:
                return found
        except NotYet as why:
            last = why
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what}: not within {limit:g} s; the last answer was: {last}")
        time.sleep(_PAUSE)


def throughout(what: str, probe: Callable[[], object], seconds: float) -> None:
    """Raise AssertionError if the probe's answer is empty or false at any time within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not probe():
            raise AssertionError(f"{what}: no longer, {seconds - (deadline - time.monotonic()):.2f} s after the start")
        time.sleep(_PAUSE)


@contextmanager
def watched(probe: Callable[[], bool]) -> Iterator[Event]:
    """Ask again and again for the length of a with statement; the event is set if the answer was ever no."""
    lost, over = Event(), Event()

    def watch() -> None:
        while not over.wait(0.01) and not lost.is_set():
            if not probe():
                lost.set()

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield lost
    finally:
        over.set()
        watcher.join()
