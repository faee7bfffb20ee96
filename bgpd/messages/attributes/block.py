"""Attribute blocks: octets to ``Attributes`` and back. Hot.

RFC 4271 4.3, 5 and 6.3; RFC 7606 sections 3, 4 and 7 (what becomes of a fault); RFC 6793 4.2.2 and 4.2.3 (two-octet
sessions); RFC 4760 section 3 (NEXT_HOP beside MP_REACH_NLRI). A block is a run of attributes (``spec``). It is
canonical if a four-octet session would send it so: ascending codes, no flag set but where it means something, the short
length where it fits.

``parse`` leaves the common blocks to ``plain``. Whatever is not so plain goes to ``parse_plainly``, which knows every
rule and is also the tests' oracle.
"""

from dataclasses import field
from functools import cache
from typing import Final

from bgpd.errors import UpdateError, UpdateSubcode
from bgpd.identity import AS_TRANS, Asn, BgpIdentifier
from bgpd.messages.attributes import (
    SPECS,
    aggregator,
    as4_aggregator,
    as4_path,
    as_path,
    large_communities,
    plain,
)
from bgpd.messages.attributes import next_hop as next_hop_module
from bgpd.messages.attributes.model import Aggregator, AsPath, Attributes, Fault, SegmentType, Unknown
from bgpd.messages.attributes.spec import (
    EXTENDED_LENGTH,
    OPTIONAL,
    PARTIAL,
    TRANSITIVE,
    AnySpec,
    Malformed,
    Outcome,
    TreatAsWithdraw,
    tlv,
)
from bgpd.messages.negotiated import Negotiated
from bgpd.records import dataclass

__all__ = [
    "EXTENDED_LENGTH",
    "OPTIONAL",
    "PARTIAL",
    "TRANSITIVE",
    "TreatAsWithdraw",
    "check",
    "encode",
    "make",
    "parse",
    "parse_plainly",
    "replace",
    "split",
    "tlv",
    "two_octet",
]

_AS_PATH: Final = as_path.SPEC.code
_NEXT_HOP: Final = next_hop_module.SPEC.code
_AGGREGATOR: Final = aggregator.SPEC.code
_AS4_PATH: Final = as4_path.SPEC.code
_AS4_AGGREGATOR: Final = as4_aggregator.SPEC.code
_LARGE_COMMUNITY: Final = large_communities.SPEC.code
_CONFED_SEQUENCE: Final = bytes((SegmentType.AS_CONFED_SEQUENCE,))

_KIND: Final = OPTIONAL | TRANSITIVE
_CODE_BY_FIELD: Final = {spec.field: code for code, spec in SPECS.items() if spec.field}


def _session(four_octet_as: bool) -> Negotiated:
    """Return a session of that kind, for encoding blocks that belong to none."""
    return Negotiated(Asn(0), Asn(0), BgpIdentifier(0), BgpIdentifier(0), 0, 0, (), four_octet_as=four_octet_as)


_FOUR_OCTETS: Final = _session(four_octet_as=True)

_MOST_KNOWN: Final = 8192  # next hops remembered, then it starts again
_checked_next_hops: Final[dict[bytes, str]] = {}


def parse(block: bytes, negotiated: Negotiated, next_hop: bytes | None) -> Attributes:
    """Return the attributes of the routes of one UPDATE.

    block: without MP_REACH_NLRI and MP_UNREACH_NLRI. next_hop: of MP_REACH_NLRI, 4, 16 or 32 octets; None: for the
    routes of the NLRI field, whose NEXT_HOP is in the block. The result's ``octets`` are canonical, the block itself if
    it already was; NEXT_HOP stays in them only where it counts.
    Raises TreatAsWithdraw where RFC 7606 says so, and UpdateError for a well-known attribute that we do not know.
    """
    return plain_reader(negotiated)(block, next_hop) or parse_plainly(block, negotiated, next_hop)


def plain_reader(negotiated: Negotiated) -> plain.Reader:
    """Return what reads plain blocks of the session as ``parse`` does; its None = not plain.

    There is no MP_REACH_NLRI in a plain block.
    """
    if negotiated.four_octet_as and not negotiated.is_confederation:
        return _plain_reader(negotiated.local_asn == negotiated.remote_asn)
    return _read_none


def _next_hop_fault(address: bytes) -> str:
    why = _checked_next_hops.get(address)
    if why is None:
        if len(_checked_next_hops) >= _MOST_KNOWN:
            _checked_next_hops.clear()
        why = _checked_next_hops[address] = next_hop_module.fault(address)
    return why


@cache
def _plain_reader(is_internal: bool) -> plain.Reader:
    """Return it; its expressions take some milliseconds to compile."""
    return plain.reader(is_internal=is_internal, next_hop_fault=_next_hop_fault)


def _read_none(_: bytes, __: bytes | None) -> Attributes | None:
    return None


def _value(attribute: bytes) -> bytes:
    return attribute[4:] if attribute[0] & EXTENDED_LENGTH else attribute[3:]


@dataclass(slots=True)
class _Reading:
    """A block while it is read: what was found so far. withdraw: the first fault that withdraws the routes."""

    values: dict[int, object] = field(default_factory=dict)
    kept: dict[int, bytes] = field(default_factory=dict)
    unknown: list[Unknown] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    withdraw: TreatAsWithdraw | None = None

    def discard(self, name: str, why: str) -> None:
        self.faults.append(Fault(name, why))

    def fail(self, name: str, why: str, subcode: UpdateSubcode, data: bytes = b"") -> None:
        if self.withdraw is None:
            self.withdraw = TreatAsWithdraw(why, name, subcode, data)


def parse_plainly(block: bytes, negotiated: Negotiated, next_hop: bytes | None) -> Attributes:
    """Return what ``parse`` returns, by every rule in turn."""
    reading = _read(block, negotiated, next_hop is not None)
    _check_mandatory(reading, next_hop)
    if reading.withdraw is not None:
        raise reading.withdraw
    attributes = Attributes()
    for code, value in reading.values.items():
        setattr(attributes, SPECS[code].field, value)
    if next_hop is not None:
        attributes.next_hop = next_hop
    reading.unknown.sort(key=lambda unknown: unknown.code)
    attributes.unknown = tuple(reading.unknown)
    attributes.faults = tuple(reading.faults)
    octets = b"".join([reading.kept[code] for code in sorted(reading.kept)])
    attributes.octets = block if octets == block else octets
    return attributes


def check(block: bytes, negotiated: Negotiated) -> None:
    """Raise what ``parse`` would raise for faults in the attributes of an UPDATE that has no route (RFC 7606 5.2)."""
    reading = _read(block, negotiated, False)
    if reading.withdraw is not None:
        raise reading.withdraw


def _read(block: bytes, negotiated: Negotiated, has_mp_next_hop: bool) -> _Reading:
    """Return the block's attributes with every rule applied that concerns one attribute or two that belong together."""
    reading = _Reading()
    seen: set[int] = set()
    position, size = 0, len(block)
    while position < size:
        header = 4 if block[position] & EXTENDED_LENGTH else 3
        if size - position < header:
            reading.fail(
                "attributes",
                f"{size - position} octets are left behind the last attribute",
                UpdateSubcode.MALFORMED_ATTRIBUTE_LIST,
            )
            break
        flags, code = block[position], block[position + 1]
        stop = position + header + int.from_bytes(block[position + 2 : position + header])
        name = SPECS[code].name if code in SPECS else str(code)
        if stop > size:
            reading.fail(name, "longer than the block", UpdateSubcode.MALFORMED_ATTRIBUTE_LIST)
            break
        if code in seen:
            reading.discard(name, "there more than once, the first one counts")  # 7606 3 g
        elif not (code == _NEXT_HOP and has_mp_next_hop):  # 4760 section 3: ignored there
            seen.add(code)
            _read_one(reading, flags, code, block[position:stop], negotiated)
        position = stop
    _merge(reading, negotiated)
    return reading


def _read_one(reading: _Reading, flags: int, code: int, attribute: bytes, negotiated: Negotiated) -> None:
    """Read one attribute, unless RFC 7606 sets it aside."""
    spec = SPECS.get(code)
    if spec is None:
        _read_unknown(reading, flags, code, attribute)
        return
    is_inside = negotiated.is_internal or negotiated.is_confederation
    if spec.is_internal and not is_inside:
        reading.discard(spec.name, "from another AS")  # 7606 7.5, 7.9, 7.10; 7311 3.4
        return
    if code in (_AS4_PATH, _AS4_AGGREGATOR) and negotiated.four_octet_as:
        reading.discard(spec.name, "from a peer with four-octet AS numbers")  # 6793 4.1
        return
    if (flags ^ spec.flags) & _KIND:
        why = f"flags {flags:#04x}, expected {spec.flags:#04x}"
        if spec.when_flags_conflict is Outcome.ATTRIBUTE_DISCARD:
            reading.discard(spec.name, why)
        else:
            reading.fail(spec.name, why, UpdateSubcode.ATTRIBUTE_FLAGS_ERROR, attribute)
        return
    value = _value(attribute)
    try:
        decoded = spec.decode(value, negotiated)
        if code == _AS_PATH and isinstance(decoded, AsPath):
            if not is_inside:
                _refuse_confederation(decoded)
            elif negotiated.is_confederation:
                _require_confederation(decoded)
    except Malformed as error:
        if spec.when_malformed is Outcome.ATTRIBUTE_DISCARD:
            reading.discard(spec.name, str(error))
        else:
            reading.fail(spec.name, str(error), error.subcode, attribute)
        return
    if code == _LARGE_COMMUNITY:  # 8092 section 3: each is passed on once
        value = large_communities.encode(large_communities.decode(value, negotiated), negotiated)
    reading.values[code] = decoded
    partial = flags & PARTIAL if spec.flags == _KIND else 0
    reading.kept[code] = tlv(code, spec.flags | partial, value)


def _refuse_confederation(path: AsPath) -> None:
    """5065 section 5: such a segment comes from the confederation's own members only."""
    if as_path.has_confederation(path):
        raise Malformed("confederation segments from another AS", UpdateSubcode.MALFORMED_AS_PATH)


def _require_confederation(path: AsPath) -> None:
    """5065 section 5: what another Member-AS sends has that AS in front, in a segment of the confederation's own."""
    if path.octets[:1] != _CONFED_SEQUENCE:
        why = f"path {path} from another Member-AS of the confederation does not begin with AS_CONFED_SEQUENCE"
        raise Malformed(why, UpdateSubcode.MALFORMED_AS_PATH)


def _read_unknown(reading: _Reading, flags: int, code: int, attribute: bytes) -> None:
    """4271 section 5: pass on what is transitive, marked as not understood here; drop the rest."""
    if not flags & OPTIONAL:
        raise UpdateError(
            UpdateSubcode.UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE, attribute, why=f"well-known attribute {code} is unknown"
        )
    if flags & TRANSITIVE:
        value = _value(attribute)
        reading.unknown.append(Unknown(_KIND | PARTIAL, code, value))
        reading.kept[code] = tlv(code, _KIND | PARTIAL, value)


def _merge(reading: _Reading, negotiated: Negotiated) -> None:
    """Put AS4_PATH and AS4_AGGREGATOR where they belong, and both attributes in four-octet form (RFC 6793 4.2.3)."""
    if negotiated.four_octet_as:
        return
    values, kept = reading.values, reading.kept
    path, formed_by = values.get(_AS_PATH), values.get(_AGGREGATOR)
    path4, formed_by4 = values.pop(_AS4_PATH, None), values.pop(_AS4_AGGREGATOR, None)
    kept.pop(_AS4_PATH, None)
    kept.pop(_AS4_AGGREGATOR, None)
    if isinstance(formed_by, Aggregator):
        if formed_by4 is not None and formed_by.asn != AS_TRANS:
            path4 = None  # a two-octet speaker aggregated behind the one that wrote them: both are out of date
        elif isinstance(formed_by4, Aggregator):
            values[_AGGREGATOR] = formed_by = formed_by4
        partial = kept[_AGGREGATOR][0] & PARTIAL
        kept[_AGGREGATOR] = tlv(_AGGREGATOR, _KIND | partial, formed_by.asn.to_bytes(4) + formed_by.address)
    if isinstance(path, AsPath):
        if isinstance(path4, AsPath):
            values[_AS_PATH] = path = as_path.merge(path, path4)
        kept[_AS_PATH] = tlv(_AS_PATH, TRANSITIVE, path.octets)


def _check_mandatory(reading: _Reading, mp_next_hop: bytes | None) -> None:
    """4271 6.3 with RFC 7606 3 d, and the next hop of MP_REACH_NLRI."""
    for code, spec in SPECS.items():
        if spec.is_mandatory and code not in reading.values and not (code == _NEXT_HOP and mp_next_hop is not None):
            reading.fail(spec.name, "missing", UpdateSubcode.MISSING_WELL_KNOWN_ATTRIBUTE, bytes((code,)))
    if mp_next_hop is not None and (why := _next_hop_fault(mp_next_hop)):
        reading.fail("MP_REACH_NLRI", why, UpdateSubcode.OPTIONAL_ATTRIBUTE_ERROR)


def split(octets: bytes) -> list[tuple[int, bytes]]:
    """Return the attributes of a valid block as (code, the whole attribute), in order."""
    found: list[tuple[int, bytes]] = []
    append = found.append
    position, size = 0, len(octets)
    while position < size:
        if octets[position] & EXTENDED_LENGTH:
            stop = position + 4 + (octets[position + 2] << 8 | octets[position + 3])
        else:
            stop = position + 3 + octets[position + 2]
        append((octets[position + 1], octets[position:stop]))
        position = stop
    return found


def encode(attributes: Attributes, negotiated_four_octet: bool = True) -> bytes:
    """Return the canonical block of the decoded attributes, with NEXT_HOP if the next hop has 4 octets.

    negotiated_four_octet: False gives the block for a two-octet session, with AS4_PATH and AS4_AGGREGATOR where needed.
    """
    kept: dict[int, bytes] = {}
    for code, spec in SPECS.items():
        if spec.field:
            _put(kept, code, spec, attributes)
    for unknown in attributes.unknown:
        kept[unknown.code] = tlv(unknown.code, unknown.flags, unknown.value)
    octets = b"".join([kept[code] for code in sorted(kept)])
    return octets if negotiated_four_octet else two_octet(octets)


def _put(kept: dict[int, bytes], code: int, spec: AnySpec, attributes: Attributes) -> None:
    """Add the attribute as these attributes have it, if they do."""
    value = spec.encode_from(attributes, _FOUR_OCTETS)
    if value is None or (code == _NEXT_HOP and len(value) != 4):
        kept.pop(code, None)
    else:
        kept[code] = tlv(code, spec.flags, value)


def two_octet(octets: bytes) -> bytes:
    """Return a canonical block in the form for a session with two-octet AS numbers (RFC 6793 4.2.2)."""
    kept = dict(split(octets))
    if _AS_PATH in kept:
        kept.update(as_path.two_octet_path(as_path.from_octets(_value(kept[_AS_PATH]))))
    if _AGGREGATOR in kept:
        value, flags = _value(kept[_AGGREGATOR]), kept[_AGGREGATOR][0]
        kept.update(aggregator.two_octet_aggregator(Aggregator(Asn(int.from_bytes(value[:4])), value[4:]), flags))
    return b"".join([kept[code] for code in sorted(kept)])


def replace(attributes: Attributes, **changes: object) -> Attributes:
    """Return changed attributes; what is not named keeps its octets. Raises TypeError for an unknown field."""
    changed = Attributes()
    for name in Attributes.__slots__:
        setattr(changed, name, getattr(attributes, name))
    kept = dict(split(attributes.octets))
    for name, value in changes.items():
        if name != "unknown" and name not in _CODE_BY_FIELD:
            raise TypeError(f"Attributes have no field {name!r} that can be changed")
        setattr(changed, name, value)
    for name in changes:
        if name == "unknown":
            for old in attributes.unknown:
                kept.pop(old.code, None)
            for new in changed.unknown:
                kept[new.code] = tlv(new.code, new.flags, new.value)
        else:
            code = _CODE_BY_FIELD[name]
            _put(kept, code, SPECS[code], changed)
    changed.octets = b"".join([kept[code] for code in sorted(kept)])
    return changed


def make(**fields: object) -> Attributes:
    """Return attributes of our own, encoded. Raises TypeError for an unknown field."""
    attributes = Attributes()
    for name, value in fields.items():
        if name != "unknown" and name not in _CODE_BY_FIELD:
            raise TypeError(f"Attributes have no field {name!r} that can be set")
        setattr(attributes, name, value)
    attributes.octets = encode(attributes)
    return attributes
