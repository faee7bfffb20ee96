"""The bgp.toml of a lab's host: the plan as tables, tests' overrides merged in, written as TOML; pure."""

import json
from collections.abc import Mapping
from typing import Final, TypeAlias

from bgpd.lab.topology import POOL_V4, POOL_V6, HostPlan, PeerPlan

TomlValue: TypeAlias = "str | int | float | bool | list[TomlValue] | dict[str, TomlValue]"
TomlTable: TypeAlias = "dict[str, TomlValue]"

POLICY: Final = "only-pods"


def configuration(host: HostPlan, socket: str, log_level: str) -> TomlTable:
    """Return the tables of bgp.toml for this host; socket is the path of its control socket."""
    node: TomlTable = {
        "name": host.name,
        "asn": host.asn,
        "router_id": str(host.interfaces[0].ipv4.ip),
        "addresses": [str(address) for link in host.interfaces for address in (link.ipv4, link.ipv6)],
    }
    if host.cluster_id:
        node["cluster_id"] = host.cluster_id
    tables: TomlTable = {
        "node": node,
        "control": {"socket": socket},
        "log": {"level": log_level, "format": "text"},
        "peer": [_peer(host, peer) for peer in host.peers],
    }
    if any(peer.asn != host.asn for peer in host.peers):
        tables["policy"] = [_only_pods()]
    return tables


def _peer(host: HostPlan, peer: PeerPlan) -> TomlTable:
    table: TomlTable = {
        "name": peer.name,
        "address": str(peer.address),
        "local_address": str(peer.local_address),
        "asn": peer.asn,
    }
    if peer.is_client:
        table["reflector_client"] = True
    if peer.asn != host.asn:  # RFC 8212: nothing in or out of an eBGP session without a policy
        table["import"] = [POLICY]
        table["export"] = [POLICY]
    return table


def _only_pods() -> TomlTable:
    rules: list[TomlValue] = [{"prefix": pool, "match": "in", "action": "accept"} for pool in (POOL_V4, POOL_V6)]
    return {"name": POLICY, "rules": rules, "default": "reject"}


def merge(base: TomlTable, override: Mapping[str, TomlValue]) -> TomlTable:
    """Return base with override's keys; tables are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in override.items():
        present = merged.get(key)
        merged[key] = merge(present, value) if isinstance(present, dict) and isinstance(value, dict) else value
    return merged


def dump(tables: Mapping[str, TomlValue]) -> str:
    """Return the TOML text of a document whose top level holds tables and arrays of tables only."""
    lines: list[str] = []
    for name, value in tables.items():
        header, entries = (f"[[{name}]]", value) if isinstance(value, list) else (f"[{name}]", [value])
        for entry in entries:
            if not isinstance(entry, dict):
                raise ValueError(f"{name} is not a table or an array of tables")
            lines += [header, *(f"{key} = {_inline(item)}" for key, item in entry.items()), ""]
    return "\n".join(lines)


def _inline(value: TomlValue) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_inline(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value, ensure_ascii=False)  # strings, numbers and booleans are written alike in both
