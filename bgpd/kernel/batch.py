"""A datagram of the FIB writer in the making: its messages, and what each of them is for. Hot."""

from collections.abc import Callable, Sequence
from typing import Final

from bgpd.families import Family
from bgpd.kernel.fib_table import FibTable
from bgpd.kernel.packing import Shape, barrier
from bgpd.kernel.routes import FibRoute, metric_of
from bgpd.kernel.rtnetlink import NLM_F_CREATE, NLM_F_EXCL

NEW: Final = NLM_F_CREATE | NLM_F_EXCL  # flags of a route whose place is free, as far as is known


class Batch:
    """A datagram in the making, and what each of its messages is for.

    has_foreign: is there a route of somebody else in that place? operations: prefix, route to write (None: delete), and
    the route of ours that was there (the one to delete). deletes: is one of them a deletion?
    """

    __slots__ = ("_has_foreign", "_messages", "_table", "deletes", "first", "octets", "operations", "sequence")

    def __init__(self, table: FibTable, first: int, has_foreign: Callable[[Family, bytes, int], bool]) -> None:
        self.operations: list[tuple[bytes, FibRoute | None, FibRoute | None]] = []
        self.first = first
        self.sequence = first
        self.octets = 0
        self.deletes = False
        self._table = table
        self._has_foreign = has_foreign
        self._messages: list[bytes] = []

    def write(self, prefix: bytes, shape: Shape, flags: int, old: FibRoute | None) -> None:
        """Add the writing of a route."""
        self._messages.append(self._table.packer.write(prefix, shape, flags, self.sequence))
        self.operations.append((prefix, shape.route, old))
        self.sequence += 1
        self.octets += shape.size

    def write_new(self, prefixes: Sequence[bytes], shape: Shape) -> None:
        """Add the writing of one route to places that are free."""
        self._messages += self._table.packer.write_all(prefixes, shape, NEW, self.sequence)
        self.operations += [(prefix, shape.route, None) for prefix in prefixes]
        self.sequence += len(prefixes)
        self.octets += shape.size * len(prefixes)

    def delete(self, prefix: bytes, old: FibRoute) -> None:
        """Add the deletion of a route of ours."""
        is_shared = self._has_foreign(self._table.family, prefix, metric_of(self._table.family, old))
        legs = old.legs if is_shared else ()
        self._messages.append(self._table.packer.delete(prefix, old, self.sequence, legs))
        self.operations.append((prefix, None, old))
        self.deletes = True
        self.sequence += 1

    def datagram(self) -> bytes:
        """Return the octets to send; the last message, of number ``sequence``, is the barrier."""
        return b"".join((*self._messages, barrier(self.sequence)))
