"""Processes that end with the one that started them, and sections that no signal may cut in two."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bgpd.lab.system_calls import libc

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # what ends a lab

_PR_SET_PDEATHSIG: Final = 1


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Ask the kernel to send this process a signal when the thread that started it ends; 0 takes that back."""
    libc.prctl(_PR_SET_PDEATHSIG, number)


def become_dependent() -> None:
    """Prepare a new process, before it runs its program: it ends with its parent and holds no signal back."""
    die_with_parent()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


@contextmanager
def signals_held() -> Iterator[None]:
    """Keep the ending signals waiting until the block is left."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
