"""Layouts of the rare messages: construct, without the cycles that it would leave to the garbage collector.

construct gives each structure a context that knows the outermost one, which knows itself, and a structure that was
built refers to its parts, which refer to it. An OPEN left some 20 objects of 10,000 octets so, for each session that
comes up, until the collector's next look.
"""

from io import BytesIO

from construct import Construct, Container, Struct, Subconstruct, Terminated


class Acyclic(Subconstruct):  # type: ignore[misc]  # construct has no types
    """The outermost layout of a message or value: parsing and building with it leave no cycles.

    Inside, ``_root`` and ``_params`` of the context are None.
    """

    def _parse(self, stream: BytesIO, context: Container, path: str) -> object:
        _cut(context)
        return self.subcon._parsereport(stream, context, path)

    def _build(self, value: object, stream: BytesIO, context: Container, path: str) -> object:
        _cut(context)
        _take_apart(self.subcon._build(value, stream, context, path))
        return value


def whole(layout: Construct) -> Acyclic:
    """Return the layout of ``it`` and nothing behind it."""
    return Acyclic(Struct("it" / layout, Terminated))


def _cut(context: Container) -> None:
    """Let the outermost context know neither itself nor, by way of ``_root``, the first structure's."""
    context._params = context._root = None


def _take_apart(built: object) -> None:
    """Empty what construct made of a structure, and of those in it; what starts with _ belongs to others too."""
    if isinstance(built, Container):
        parts = [part for name, part in built.items() if not name.startswith("_")]
        built.clear()
    elif isinstance(built, list):
        parts = built
    else:
        return
    for part in parts:
        _take_apart(part)
