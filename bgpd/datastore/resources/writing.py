"""What becomes of a stored object when an operator writes one: created, replaced, applied; what stays, what is refused.

Stored are kind, apiVersion, metadata and spec as compact JSON; the resource version is etcd's revision and not among
them. A file is the whole of what operators say of an object, as for calicoctl: a field of the spec that it leaves out
goes. Three things stay although a file is silent about them: what a program writes (tunnel addresses, ``status``,
``uid``, …), fields that this version does not know, and, for ``apply``, labels and annotations of others.
"""

import json
from collections.abc import Iterator
from enum import Enum
from typing import Final

from bgpd.datastore.resources.files import Written, completed
from bgpd.datastore.resources.kinds import API_VERSION, Kind
from bgpd.datastore.resources.old import overlaid
from bgpd.datastore.resources.shapes import Document, Fault, has, kept, part, read, text
from bgpd.records import dataclass

_ORDER: Final = ("kind", "apiVersion", "metadata", "spec")
_FIRST_METADATA: Final = ("name", "uid", "creationTimestamp")


class Verb(Enum):
    """What is to be done with an object."""

    CREATE = "create"
    APPLY = "apply"
    REPLACE = "replace"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Birth:
    """What a new object gets. creation_timestamp: RFC 3339, UTC."""

    uid: str
    creation_timestamp: str


def created(one: Written, birth: Birth) -> Document:
    """Return the document of a new object."""
    metadata: Document = {
        "name": one.name,
        "uid": birth.uid,
        "creationTimestamp": birth.creation_timestamp,
        **{
            name: value
            for name, value in part(one.document, "metadata").items()
            if name not in (*_FIRST_METADATA, "resourceVersion") and value != {}
        },
    }
    return _ordered({**one.document, "metadata": metadata})


def updated(one: Written, stored: Document, verb: Verb) -> Document:
    """Return the document of an object that was there."""
    if one.old is not None:
        return _ordered(completed(one.kind, {**stored, "spec": overlaid(one.old, part(stored, "spec"))}))
    made = kept(one.kind.shape, stored, one.document)
    assert isinstance(made, dict)  # a document is written over a document
    made.pop("status", None)  # it tells what is, which a file cannot
    if "status" in stored:
        made["status"] = stored["status"]
    before, metadata = part(stored, "metadata"), dict(part(made, "metadata"))
    metadata.pop("resourceVersion", None)
    for name in _FIRST_METADATA:  # an object stays the same one
        if name in before:
            metadata[name] = before[name]
    if verb is Verb.APPLY:
        for name in ("labels", "annotations"):
            if merged := {**part(before, name), **part(metadata, name)}:
                metadata[name] = merged
    return _ordered({**made, "metadata": {name: value for name, value in metadata.items() if value != {}}})


def faults_of(one: Written, stored: Document | None) -> Iterator[Fault]:
    """Yield what is wrong with an object as it is written, given the one that is stored.

    A field that we do not know is somebody's who knows more if the stored object has it, else a slip of the pen.
    """
    for fault in one.faults:
        if not (fault.is_unknown and stored is not None and has(stored, fault.path)):
            yield fault


def faults_of_update(kind: Kind, stored: Document, made: Document) -> Iterator[Fault]:
    """Yield why a stored object cannot become another."""
    faults: list[Fault] = []
    read(kind.shape, made, "", faults)
    yield from (fault for fault in faults if not fault.is_unknown)
    if not [fault for fault in faults if not fault.is_unknown]:
        spec = part(made, "spec")
        yield from kind.check(spec)
        yield from kind.check_change(part(stored, "spec"), spec)


def encode(document: Document) -> bytes:
    """Return the octets that are stored."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def decode(value: bytes) -> Document:
    """Return a stored document. Raises ValueError."""
    found = json.loads(value)
    if not isinstance(found, dict):
        raise ValueError("expected a JSON object")
    return found


def exposed(kind: Kind, name: str, document: Document, revision: int) -> Document:
    """Return a stored document as it is shown: with its defaults, its name, its resource version."""
    metadata = {**part(document, "metadata"), "name": text(document, "metadata", "name") or name}
    made = completed(kind, {"kind": kind.name, "apiVersion": API_VERSION, **document})
    return _ordered({**made, "metadata": {**metadata, "resourceVersion": str(revision)}})


def exported(document: Document) -> Document:
    """Return a shown document without what belongs to this one cluster."""
    own = (*_FIRST_METADATA[1:], "resourceVersion")
    metadata = {name: value for name, value in part(document, "metadata").items() if name not in own}
    return {**{name: value for name, value in document.items() if name != "status"}, "metadata": metadata}


def _ordered(document: Document) -> Document:
    return {name: document[name] for name in (*_ORDER, *document) if name in document}
