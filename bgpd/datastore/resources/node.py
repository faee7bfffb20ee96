"""Node: a host's addresses, its AS, whether it reflects. What Felix and the IPAM write there is kept."""

from collections.abc import Iterator
from typing import Final

from bgpd.datastore.resources.shapes import Document, Fault, Field, Opaque, Rows, Table, part
from bgpd.datastore.resources.values import ASN, TEXT, address_leaf, host_leaf

_KEPT: Final = Field(Opaque(), is_kept=True)

BGP: Final = Table(
    {
        "asNumber": Field(ASN),
        "ipv4Address": Field(host_leaf(4)),
        "ipv6Address": Field(host_leaf(6)),
        "routeReflectorClusterID": Field(address_leaf(4)),
        "ipv4IPIPTunnelAddr": Field(address_leaf(4), is_kept=True),
    }
)
SPEC: Final = Table(
    {
        "bgp": Field(BGP),
        "orchRefs": Field(
            Rows(Table({"nodeName": Field(TEXT), "orchestrator": Field(TEXT, is_required=True)})), is_kept=True
        ),
        "addresses": _KEPT,
        "interfaces": _KEPT,
        "wireguard": Field(
            Table({"interfaceIPv4Address": Field(address_leaf(4)), "interfaceIPv6Address": Field(address_leaf(6))}),
            is_kept=True,
        ),
        "ipv4VXLANTunnelAddr": _KEPT,
        "ipv6VXLANTunnelAddr": _KEPT,
        "vxlanTunnelMACAddr": _KEPT,
        "vxlanTunnelMACAddrV6": _KEPT,
    }
)


def check(spec: Document) -> Iterator[Fault]:
    """Yield what is wrong across fields."""
    if spec.get("bgp") == {}:
        yield Fault("spec.bgp", "is empty; expected an address or an AS number in it, or no bgp at all")


def with_addresses(spec: Document, ipv4: str, ipv6: str, asn: int) -> Document:
    """Return a spec with addresses and AS number; one that is empty or 0 stays as it is."""
    given: Document = {"ipv4Address": ipv4, "ipv6Address": ipv6, "asNumber": asn}
    return {**spec, "bgp": {**part(spec, "bgp"), **{name: value for name, value in given.items() if value}}}
