"""System calls that Python 3.11 has no name for, by way of the C library."""

import ctypes
import os
from typing import Final

from bgpd.lab.options import LabError

CLONE_NEWNS: Final = 0x0002_0000
CLONE_NEWUTS: Final = 0x0400_0000
CLONE_NEWUSER: Final = 0x1000_0000
CLONE_NEWPID: Final = 0x2000_0000
CLONE_NEWNET: Final = 0x4000_0000

libc: Final = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    """Raise LabError with the system's reason if a call did not succeed."""
    if result:
        raise LabError(f"{what}: {os.strerror(ctypes.get_errno())}")
