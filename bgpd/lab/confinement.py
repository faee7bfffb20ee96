"""A process that takes along all that was started in it, however it ends.

It is the first one of a process namespace: with it the kernel ends every process in there, daemons too that others
started and left behind. What it mounts is seen by nobody else.
"""

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from bgpd.lab.options import LabError
from bgpd.lab.processes import ENDING, die_with_parent, signals_held
from bgpd.lab.system_calls import CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS, check, libc

_MS_NOSUID_NODEV_NOEXEC: Final = 2 | 4 | 8
_MS_REC_PRIVATE: Final = 0x4000 | 0x4_0000


def confined(action: Callable[[], int]) -> int:
    """Return the exit status of an action in such a process; signals that end us are passed on to it.

    The action is to turn them into a status. Raises LabError.
    """
    check(libc.unshare(CLONE_NEWPID), "cannot create a process namespace")
    sys.stdout.flush()
    sys.stderr.flush()
    with signals_held():  # one that came between would find nobody to answer it
        child = os.fork()
        if child == 0:
            _be_first(action)
        before = {number: signal.signal(number, lambda number, _: os.kill(child, number)) for number in ENDING}
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _be_first(action: Callable[[], int]) -> None:
    """Become the namespace's first process, do it, and end."""
    status = 1
    try:
        die_with_parent()
        os.setsid()  # Ctrl-C is the parent's to pass on
        _own_mounts()
        _mount("proc", "/proc", "proc", _MS_NOSUID_NODEV_NOEXEC)
        status = action()
    except LabError as error:
        print(f"bgpd lab: {error}", file=sys.stderr)
    except BaseException:  # what is above us on the stack is the parent's: nothing may get there
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):  # nobody reads any more
                stream.flush()
        os._exit(status)


def become_host(name: str) -> None:
    """Give this process, before it runs its program, a name of a host and a /run of its own. Raises LabError."""
    check(libc.unshare(CLONE_NEWUTS), "cannot create a namespace for a host name")
    check(libc.sethostname(name.encode(), len(name)), "cannot set a host name")
    _own_mounts()
    _mount("tmpfs", "/run", "tmpfs", 0, "mode=755")


def _own_mounts() -> None:
    check(libc.unshare(CLONE_NEWNS), "cannot create a mount namespace")
    _mount(None, "/", None, _MS_REC_PRIVATE)


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    words = (source, target, kind, options)
    octets = [None if word is None else word.encode() for word in words]
    check(libc.mount(*octets[:3], ctypes.c_ulong(flags), octets[3]), f"cannot mount {target}")
