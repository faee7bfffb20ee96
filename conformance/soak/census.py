"""A census of a Python process: how many objects of each type there are, and how large they are, garbage left out.

``python -m conformance.soak.census FILE OPTIONS...`` is bgpd with these options; on SIGUSR1 it writes its census to
FILE. A child forked for it does the work, so that counting leaves nothing in the process that is counted. Octets
are those of the contents: a dictionary counts by its entries, not by how much room its table has at the moment, and
equal ``bytes`` count once, since two tables share the octets of a prefix or do not, as a peer's timing has it.
"""

import gc
import json
import os
import signal
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Final

Census = dict[str, tuple[int, int]]
"""Type → how many objects, and their octets."""

_ENTRY: Final = {dict: 32, set: 16, frozenset: 16, list: 8}  # octets, of hash, key and value that a place refers to


def take(roots: Iterable[object]) -> Census:
    """Return the census of the roots and of all that they refer to."""
    found: dict[str, list[int]] = {}
    values: set[bytes] = set()
    waiting = list(roots)
    seen = set(map(id, waiting))
    seen.update((id(seen), id(values), id(waiting), id(found)))
    while waiting:
        each = waiting.pop()
        if type(each) is bytes:
            if each in values:
                continue
            values.add(each)
        entry = found.setdefault(_name(type(each)), [0, 0])
        entry[0] += 1
        entry[1] += _size(each)
        for other in gc.get_referents(each):
            if id(other) not in seen:
                seen.add(id(other))
                waiting.append(other)
    return {name: (count, octets) for name, (count, octets) in found.items()}


def octets(census: Census) -> int:
    """Return the octets of all types together."""
    return sum(size for _, size in census.values())


def grown(before: Census, after: Census, most: int = 8) -> list[str]:
    """Return the types that gained most octets, for people."""
    gains = {
        name: (count - before.get(name, (0, 0))[0], size - before.get(name, (0, 0))[1])
        for name, (count, size) in after.items()
    }
    largest = sorted(gains.items(), key=lambda item: -item[1][1])[:most]
    return [f"{name}: {count:+,} objects, {size:+,} octets" for name, (count, size) in largest if size > 0]


def load(file: Path) -> Census:
    """Return the census that a process wrote."""
    return {name: (count, size) for name, (count, size) in json.loads(file.read_text()).items()}


def answer(file: Path) -> None:
    """Write this process's census to the file when SIGUSR1 comes."""

    def fork(_: int, __: FrameType | None) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: threads may hold locks; the child takes none
            child = os.fork()
            if child:
                os.waitpid(child, 0)
                return
            if os.fork():
                os._exit(0)  # nobody has to wait for the one that counts
        _write(file)

    signal.signal(signal.SIGUSR1, fork)


def _write(file: Path) -> None:
    """Count, write and end the process."""
    try:
        gc.unfreeze()
        gc.collect()
        written = file.with_suffix(".new")
        written.write_text(json.dumps(take(gc.get_objects())))
        written.rename(file)
    finally:
        os._exit(0)


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _size(each: object) -> int:
    entry = _ENTRY.get(type(each))
    if entry is None:
        return sys.getsizeof(each)
    return object.__sizeof__(each) + entry * len(each)  # type: ignore[arg-type]  # those of _ENTRY have a length


if __name__ == "__main__":
    from bgpd.cli.main import main

    answer(Path(sys.argv[1]))
    main(sys.argv[2:])
