"""What a cluster has from its first node on, as calico/node makes it: the ClusterInformation, and pools if it has none.

Nothing that is there is ever changed: what others wrote first, or write meanwhile, stays.
"""

import ipaddress
import json
from collections.abc import Iterable
from typing import Final

from bgpd.datastore.object_store import AlreadyExists, KeyStore, ObjectRefusal, ObjectStore
from bgpd.datastore.resources.files import Written, completed
from bgpd.datastore.resources.kinds import API_VERSION, IP_POOL, NODE
from bgpd.datastore.resources.shapes import Document, text
from bgpd.datastore.resources.values import network
from bgpd.datastore.resources.writing import Birth, Verb
from bgpd.datastore.store import Conflict

CLUSTER_INFORMATION: Final = "resources/v3/projectcalico.org/clusterinformations/default"
DEFAULT_IPV4_POOL: Final = "192.168.0.0/16"
_FLAT_POOLS: Final = "v1/ipam/v{version}/pool/"  # of Calico 2
_FIELDS: Final = {4: "ipv4Address", 6: "ipv6Address"}


async def make_cluster_information(store: KeyStore, prefix: str, birth: Birth, guid: str) -> bool:
    """Write the ClusterInformation if there is none, which Felix waits for; return whether there was none.

    guid: 32 hexadecimal digits. Raises StoreError.
    """
    document: Document = {
        "kind": "ClusterInformation",
        "apiVersion": API_VERSION,
        "metadata": {"name": "default", "uid": birth.uid, "creationTimestamp": birth.creation_timestamp},
        "spec": {"clusterGUID": guid, "clusterType": "bgp", "datastoreReady": True},
    }
    key = f"{prefix.rstrip('/')}/{CLUSTER_INFORMATION}"
    if await store.get(key) is not None:
        return False
    try:
        await store.put_if(key, json.dumps(document, separators=(",", ":")).encode(), 0)
    except Conflict:
        return False
    return True


async def make_default_pools(
    store: KeyStore, prefix: str, node: Document, birth: Birth, ipv6_pool: str
) -> tuple[list[str], list[str]]:
    """Make a pool for each family of a node (its spec) that has none; return those made, and why others are not.

    ipv6_pool: a unique local /48, as every cluster has its own. Raises StoreError.
    """
    made: list[str] = []
    reasons: list[str] = []
    for version, cidr in ((4, DEFAULT_IPV4_POOL), (6, ipv6_pool)):
        if not text(node, "bgp", _FIELDS[version]) or await _has_pools(store, prefix, version):
            continue
        try:
            name = f"default-ipv{version}-ippool"
            await _make(ObjectStore(store, prefix), name, cidr, birth)
        except AlreadyExists:
            continue
        except ObjectRefusal as refusal:
            reasons += refusal.reasons
        else:
            made.append(f"IPPool {name} {cidr}")
    return made, reasons


async def _has_pools(store: KeyStore, prefix: str, version: int) -> bool:
    """Is there a pool of that family, or something that may be one?"""
    stored, unreadable = await ObjectStore(store, prefix).all_of(IP_POOL)
    if unreadable or any(_version(one.spec) in (version, None) for one in stored):
        return True
    return bool(await store.entries(f"{prefix.rstrip('/')}/{_FLAT_POOLS.format(version=version)}"))


def _version(spec: Document) -> int | None:
    try:
        return network(spec.get("cidr")).version
    except ValueError:
        return None


async def _make(store: ObjectStore, name: str, cidr: str, birth: Birth) -> None:
    nodes, _ = await store.all_of(NODE)
    pool = ipaddress.ip_network(cidr)
    for node, address in _addresses((one.name, one.spec) for one in nodes):
        if address.version == pool.version and address in pool:
            raise ObjectRefusal(f"{pool} has the address of node {node}, {address}: create one of another range")
    document: Document = {
        "kind": IP_POOL.name,
        "apiVersion": API_VERSION,
        "metadata": {"name": name},
        "spec": {"cidr": cidr, "natOutgoing": pool.version == 4},
    }
    await store.write(Written("", IP_POOL, name, completed(IP_POOL, document)), Verb.CREATE, birth)


def _addresses(
    nodes: Iterable[tuple[str, Document]],
) -> Iterable[tuple[str, ipaddress.IPv4Address | ipaddress.IPv6Address]]:
    for name, spec in nodes:
        for field in _FIELDS.values():
            try:
                yield name, ipaddress.ip_interface(text(spec, "bgp", field)).ip
            except ValueError:
                continue  # none, or nothing that a pool could have
