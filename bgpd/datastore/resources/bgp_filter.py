"""BGPFilter: ordered rules for import and export, per family."""

from collections.abc import Iterator
from typing import Final

from bgpd.datastore.resources.bgp_configuration import HIGHEST_PRIORITY
from bgpd.datastore.resources.shapes import Document, Fault, Field, Leaf, Rows, Table, part
from bgpd.datastore.resources.values import ASN, COMMUNITY, INTERFACE, asn, integer, network_leaf, word

_PRIORITY: Final = integer(1, HIGHEST_PRIORITY)
_PATH: Final = Rows(Leaf(ASN.expected, lambda value: asn(value) or _refuse()), least=1)
_OPERATIONS: Final = ("addCommunity", "prependASPath", "setPriority")


def _refuse() -> int:
    raise ValueError


def _rules(version: int) -> Field:
    length = integer(0, 32 if version == 4 else 128)
    rule = Table(
        {
            "cidr": Field(network_leaf(version)),
            "matchOperator": Field(word("In", "NotIn", "Equal", "NotEqual")),
            "prefixLength": Field(Table({"min": Field(length), "max": Field(length)})),
            "source": Field(word("RemotePeers")),
            "interface": Field(INTERFACE),
            "peerType": Field(word("eBGP", "iBGP")),
            "communities": Field(Table({"values": Field(Rows(COMMUNITY, least=1, most=1), is_required=True)})),
            "asPathPrefix": Field(_PATH),
            "priority": Field(_PRIORITY),
            "action": Field(word("Accept", "Reject"), is_required=True),
            "operations": Field(
                Rows(
                    Table(
                        {
                            "addCommunity": Field(Table({"value": Field(COMMUNITY, is_required=True)})),
                            "prependASPath": Field(Table({"prefix": Field(_PATH, is_required=True)})),
                            "setPriority": Field(Table({"value": Field(_PRIORITY, is_required=True)})),
                        }
                    )
                )
            ),
        }
    )
    return Field(Rows(rule))


SPEC: Final = Table({"importV4": _rules(4), "exportV4": _rules(4), "importV6": _rules(6), "exportV6": _rules(6)})


def check(spec: Document) -> Iterator[Fault]:
    """Yield what is wrong across fields."""
    for name, rules in spec.items():
        if name in SPEC.fields and isinstance(rules, list):
            for index, rule in enumerate(rules):
                yield from _rule(f"spec.{name}[{index}]", part(rule))


def _rule(where: str, rule: Document) -> Iterator[Fault]:
    has_cidr = bool(rule.get("cidr"))
    if has_cidr and not rule.get("matchOperator"):
        yield Fault(f"{where}.matchOperator", "is missing; expected one, as there is a cidr")
    for name in ("matchOperator", "prefixLength"):
        if rule.get(name) is not None and not has_cidr:
            yield Fault(f"{where}.{name}", "expected none, as there is no cidr")
    lengths = part(rule, "prefixLength")
    least, most = lengths.get("min"), lengths.get("max")
    if isinstance(least, int) and isinstance(most, int) and least > most:
        yield Fault(f"{where}.prefixLength", f"expected min to be at most max, found {least} and {most}")
    operations = rule.get("operations")
    if not isinstance(operations, list):
        return
    if operations and rule.get("action") == "Reject":
        yield Fault(f"{where}.operations", "expected none, as the action is Reject")
    for index, operation in enumerate(operations):
        if sum(name in part(operation) for name in _OPERATIONS) != 1:
            yield Fault(f"{where}.operations[{index}]", f"expected exactly one of {', '.join(_OPERATIONS)}")
