"""Memory that was freed between blocks in use goes back to the system."""

import platform
import re
import sys
from pathlib import Path

import pytest

from bgpd.cli.allocator import give_back


def _resident() -> int:
    """Octets."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def test_what_was_freed_below_a_block_in_use_is_given_back() -> None:
    blocks = [bytearray(b"x" * 8000) for _ in range(10_000)]
    del blocks[:-1]  # the last one keeps the top of the heap from going back by itself
    before = _resident()
    is_given_back = give_back()
    assert is_given_back is (platform.libc_ver()[0] == "glibc")
    if is_given_back:
        assert before - _resident() > 40_000_000
    assert len(blocks) == 1


def test_a_python_without_ctypes_gives_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctypes", None)
    assert not give_back()
