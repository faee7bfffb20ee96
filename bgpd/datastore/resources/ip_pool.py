"""IPPool: a range that blocks are cut from, and how traffic to it travels.

What is stored has its defaults written out, as Calico does; reading tolerates their absence.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Final

from bgpd.datastore.resources.shapes import Document, Fault, Field, Json, Leaf, Rows, Table, shown, text
from bgpd.datastore.resources.values import FLAG, SELECTOR, Network, integer, network, strict_network, word

BLOCK_SIZES: Final = {4: range(20, 33), 6: range(116, 129)}
DEFAULT_BLOCK_SIZE: Final = {4: 26, 6: 122}
_LINK_LOCAL: Final = (ipaddress.ip_network("169.254.0.0/16"), ipaddress.ip_network("fe80::/10"))
_DEFAULT_USES: Final = ("Workload", "Tunnel")
_LOAD_BALANCER: Final = "LoadBalancer"
_MODE: Final = word("Always", "CrossSubnet", "Never")


def _cidr(value: Json) -> Json:
    if isinstance(value, str) and "/" not in value:
        raise ValueError("the length is missing")
    return str(strict_network(value))


SPEC: Final = Table(
    {
        "cidr": Field(Leaf("a CIDR such as 10.65.0.0/16", _cidr), is_required=True),
        "blockSize": Field(integer(0, 128)),
        "ipipMode": Field(_MODE),
        "vxlanMode": Field(_MODE),
        "natOutgoing": Field(FLAG),
        "disabled": Field(FLAG),
        "disableBGPExport": Field(FLAG),
        "nodeSelector": Field(SELECTOR),
        "namespaceSelector": Field(SELECTOR),
        "allowedUses": Field(Rows(word(*_DEFAULT_USES, _LOAD_BALANCER))),
        "assignmentMode": Field(word("Automatic", "Manual")),
    }
)


def complete(spec: Document) -> Document:
    """Return the spec with the defaults that are stored."""
    try:
        version = network(spec.get("cidr")).version
    except ValueError:
        return spec
    defaults: Document = {
        "blockSize": DEFAULT_BLOCK_SIZE[version],
        "ipipMode": "Never",
        "vxlanMode": "Never",
        "nodeSelector": "all()",
        "allowedUses": list(_DEFAULT_USES),
        "assignmentMode": "Automatic",
    }
    return {**spec, **{key: value for key, value in defaults.items() if not spec.get(key)}}


def check(spec: Document) -> Iterator[Fault]:
    """Yield what is wrong across fields of a spec with its defaults."""
    found = network(spec["cidr"])
    if isinstance(found, ipaddress.IPv4Network) and found.overlaps(_LINK_LOCAL[0]):
        yield Fault("spec.cidr", f"expected a CIDR outside the link-local {_LINK_LOCAL[0]}, found {found}")
    if isinstance(found, ipaddress.IPv6Network) and found.overlaps(_LINK_LOCAL[1]):
        yield Fault("spec.cidr", f"expected a CIDR outside the link-local {_LINK_LOCAL[1]}, found {found}")
    size = spec["blockSize"]
    sizes = BLOCK_SIZES[found.version]
    if not isinstance(size, int) or size not in sizes:
        yield Fault(
            "spec.blockSize",
            f"expected {sizes[0]} to {sizes[-1]} for IPv{found.version}, found {shown(size)}",
        )
    elif not spec.get("disabled") and found.prefixlen > size:
        yield Fault("spec.cidr", f"expected at least one block of /{size} (see spec.blockSize), found {found}")
    ipip, vxlan = spec["ipipMode"], spec["vxlanMode"]
    if found.version == 6 and ipip != "Never":
        yield Fault("spec.ipipMode", f"expected Never, as IPIP carries IPv4 only, found {ipip}")
    if ipip != "Never" and vxlan != "Never":
        yield Fault("spec.vxlanMode", f"expected Never, as spec.ipipMode is {ipip}, found {vxlan}")
    yield from _load_balancer(spec)


def _load_balancer(spec: Document) -> Iterator[Fault]:
    uses = spec["allowedUses"]
    if not isinstance(uses, list) or _LOAD_BALANCER not in uses:
        return
    if len(set(map(str, uses))) > 1:
        yield Fault("spec.allowedUses", f"expected {_LOAD_BALANCER} alone, found {shown(uses)}")
    for mode in ("ipipMode", "vxlanMode"):
        if spec[mode] != "Never":
            yield Fault(f"spec.{mode}", f"expected Never for a pool of {_LOAD_BALANCER}, found {spec[mode]}")
    if spec.get("disableBGPExport"):
        yield Fault("spec.disableBGPExport", f"expected false for a pool of {_LOAD_BALANCER}, found true")
    if spec["nodeSelector"] != "all()":
        yield Fault("spec.nodeSelector", f"expected all() for a pool of {_LOAD_BALANCER}")


def check_change(old: Document, new: Document) -> Iterator[Fault]:
    """Yield what cannot be changed in a pool: its range, the size of its blocks, what a load balancer's is for."""
    old = complete(old)
    try:
        same = network(old.get("cidr")) == network(new["cidr"])
    except ValueError:
        same = False
    if not same:
        yield Fault("spec.cidr", f"cannot be changed; it is {shown(old.get('cidr'))}: create another pool")
    if old.get("blockSize") != new["blockSize"]:
        yield Fault("spec.blockSize", f"cannot be changed; it is {shown(old.get('blockSize'))}: create another pool")
    was, becomes = old.get("allowedUses"), new["allowedUses"]
    if isinstance(was, list) and _LOAD_BALANCER in was and was != becomes:
        yield Fault("spec.allowedUses", f"cannot be changed; it is {shown(was)}: create another pool")


def overlaps(spec: Document, others: Iterable[tuple[str, Document]]) -> Iterator[Fault]:
    """Yield each other pool (name, spec) that has addresses of this one."""
    found = network(spec["cidr"])
    for name, other in others:
        if (taken := _parsed(text(other, "cidr"))) is not None and _overlap(found, taken):
            yield Fault("spec.cidr", f"expected a range that no other pool has, found {found}: {name} has {taken}")


def block_conflicts(spec: Document, blocks: Iterable[Network]) -> Iterator[Fault]:
    """Yield, once, that there are blocks of another size in the range of a new pool."""
    found = network(spec["cidr"])
    for block in blocks:
        if block.prefixlen != spec["blockSize"] and _overlap(found, block):
            yield Fault(
                "spec.blockSize",
                f"expected {block.prefixlen}, as there is a block {block} with addresses in use, "
                f"found {shown(spec['blockSize'])}",
            )
            return


def _parsed(cidr: str) -> Network | None:
    try:
        return network(cidr)
    except ValueError:
        return None


def _overlap(one: Network, other: Network) -> bool:
    if isinstance(one, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and one.overlaps(other)
    return isinstance(other, ipaddress.IPv6Network) and one.overlaps(other)
