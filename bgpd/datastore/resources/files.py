"""What stands in an operator's files: documents, lists of documents, old ones and new ones, each with its faults.

A document is what YAML or JSON gives; how it is read is the caller's.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from bgpd.datastore.resources.kinds import API_VERSION, OLD_API_VERSION, Kind, kind_named
from bgpd.datastore.resources.old import Converted, converted
from bgpd.datastore.resources.shapes import Document, Fault, Json, part, read, shown, text
from bgpd.datastore.resources.values import bad_name
from bgpd.records import dataclass

_LIST: Final = "list"


@dataclass(frozen=True, slots=True)
class Written:
    """An object as an operator wrote it. place: where. name: of a new object. old: what a v1 document says."""

    place: str
    kind: Kind
    name: str
    document: Document
    faults: tuple[Fault, ...] = ()
    old: Converted | None = None

    @property
    def spec(self) -> Document:
        """What it says."""
        return part(self.document, "spec")

    @property
    def resource_version(self) -> str:
        """The revision of the object that it was made from, empty = whatever there is."""
        return text(self.document, "metadata", "resourceVersion")


@dataclass(frozen=True, slots=True)
class Unusable:
    """A document that is no object of ours."""

    place: str
    faults: tuple[Fault, ...]


def written(documents: Iterable[tuple[str, Json]]) -> Iterator[Written | Unusable]:
    """Yield the objects of documents (place, content), with those inside lists; empty documents say nothing."""
    for place, document in documents:
        if document is None:
            continue
        if isinstance(document, list):
            yield from written((f"{place}: [{index}]", one) for index, one in enumerate(document))
        elif not isinstance(document, dict):
            yield Unusable(
                place, (Fault("", f"expected kind, apiVersion, metadata and spec, found {shown(document)}"),)
            )
        elif _is_list(document):
            yield from _items(place, document)
        else:
            yield _object(place, document)


def _is_list(document: Document) -> bool:
    return "items" in document and text(document, "kind").lower().endswith(_LIST)


def _items(place: str, document: Document) -> Iterator[Written | Unusable]:
    items = document["items"]
    if not isinstance(items, list):
        yield Unusable(place, (Fault("items", f"expected a list, found {shown(items)}"),))
        return
    name = text(document, "kind").removesuffix("List")
    for index, one in enumerate(items):
        if isinstance(one, dict) and name:  # an item of a list of one kind need not say what it is
            one = {"kind": name, "apiVersion": document.get("apiVersion"), **one}
        yield from written([(f"{place}: items[{index}]", one)])


def _object(place: str, document: Document) -> Written | Unusable:
    name, version = document.get("kind"), document.get("apiVersion")
    if not isinstance(name, str) or not name:
        return Unusable(place, (Fault("kind", f"is missing; expected the kind of an object, found {shown(name)}"),))
    if version == OLD_API_VERSION:
        return _old(place, name, document)
    if version != API_VERSION:
        message = f"expected {API_VERSION}, or {OLD_API_VERSION} for the resources of Calico 2, found {shown(version)}"
        return Unusable(place, (Fault("apiVersion", message),))
    try:
        kind = kind_named(name)
    except ValueError as error:
        return Unusable(place, (Fault("kind", str(error)),))
    faults: list[Fault] = []
    if not isinstance(document.get("metadata"), dict):
        return Unusable(
            place, (Fault("metadata", f"expected name and labels, found {shown(document.get('metadata'))}"),)
        )
    clean = read(kind.shape, document, "", faults)
    assert isinstance(clean, dict)  # a table is read as one
    identity = text(clean, "metadata", "name")
    if why := bad_name(identity):
        faults.append(Fault("metadata.name", why))
    if not [fault for fault in faults if not fault.is_unknown]:
        clean = completed(kind, clean)
        faults += kind.check(part(clean, "spec"))
    return Written(place, kind, identity, {**clean, "kind": kind.name, "apiVersion": API_VERSION}, tuple(faults))


def _old(place: str, name: str, document: Document) -> Written | Unusable:
    faults: list[Fault] = []
    one = converted(name, document, faults)
    if one is None:
        return Unusable(place, tuple(faults))
    if why := bad_name(one.name):
        faults.append(Fault("metadata.name", why))
    made: Document = {
        "kind": one.kind.name,
        "apiVersion": API_VERSION,
        "metadata": {"name": one.name},
        "spec": one.spec,
    }
    made = completed(one.kind, made)
    faults += one.kind.check(part(made, "spec"))
    return Written(place, one.kind, one.name, made, tuple(faults), one)


def completed(kind: Kind, document: Document) -> Document:
    """Return a document with the defaults of its kind."""
    return {**document, "spec": kind.complete(part(document, "spec"))}
