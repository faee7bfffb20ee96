"""BGPPeer: who peers with whom besides the mesh."""

import ipaddress
from collections.abc import Iterator
from typing import Final

from bgpd.datastore.resources.shapes import Document, Fault, Field, Rows, Table, text
from bgpd.datastore.resources.values import (
    ASN,
    DURATION,
    FLAG,
    OBJECT_NAME,
    PEER_ADDRESS,
    SELECTOR,
    TEXT,
    address_leaf,
    integer,
    peer_address,
    word,
)

SECRET: Final = Table(
    {
        "secretKeyRef": Field(
            Table(
                {
                    "name": Field(OBJECT_NAME, is_required=True),
                    "key": Field(TEXT, is_required=True),
                    "optional": Field(FLAG),
                }
            ),
            is_required=True,
        )
    }
)

SPEC: Final = Table(
    {
        "node": Field(OBJECT_NAME),
        "nodeSelector": Field(SELECTOR),
        "peerIP": Field(PEER_ADDRESS),
        "asNumber": Field(ASN),
        "localASNumber": Field(ASN),
        "peerSelector": Field(SELECTOR),
        "localWorkloadSelector": Field(SELECTOR),
        "keepOriginalNextHop": Field(FLAG),
        "nextHopMode": Field(word("Auto", "Self", "Keep")),
        "sourceAddress": Field(word("UseNodeIP", "None")),
        "password": Field(SECRET),
        "maxRestartTime": Field(DURATION),
        "keepaliveTime": Field(DURATION),
        "numAllowedLocalASNumbers": Field(integer(0, 255)),
        "ttlSecurity": Field(integer(0, 254)),
        "reachableBy": Field(address_leaf(None)),
        "filters": Field(Rows(OBJECT_NAME)),
        "reversePeering": Field(word("Auto", "Manual")),
    }
)

_TARGETS: Final = ("peerIP", "peerSelector", "localWorkloadSelector")


def check(spec: Document) -> Iterator[Fault]:
    """Yield what is wrong across fields."""
    if spec.get("node") and spec.get("nodeSelector"):
        yield Fault("spec.node", "expected none, as there is spec.nodeSelector")
    targets = [name for name in _TARGETS if spec.get(name)]
    if not targets:
        yield Fault("spec", f"expected one of {', '.join(_TARGETS)}: it says who the peer is")
    for extra in targets[1:]:
        yield Fault(f"spec.{extra}", f"expected none, as there is spec.{targets[0]}")
    if spec.get("asNumber") and spec.get("peerSelector"):
        yield Fault("spec.asNumber", "expected none, as there is spec.peerSelector: each node's own counts")
    if spec.get("localWorkloadSelector") and not spec.get("asNumber"):
        yield Fault("spec.asNumber", "is missing; expected one, as there is spec.localWorkloadSelector")
    if spec.get("keepOriginalNextHop") and spec.get("nextHopMode"):
        yield Fault("spec.keepOriginalNextHop", "expected none, as there is spec.nextHopMode, which replaces it")
    yield from _gateway(spec)


def _gateway(spec: Document) -> Iterator[Fault]:
    gateway = text(spec, "reachableBy")
    if not gateway:
        return
    if not spec.get("peerIP"):
        yield Fault("spec.reachableBy", "expected none, as there is no spec.peerIP")
        return
    address, _ = peer_address(spec["peerIP"])
    if ipaddress.ip_address(address).version != ipaddress.ip_address(gateway).version:
        yield Fault("spec.reachableBy", f"expected an address of the family of spec.peerIP, found {gateway}")
