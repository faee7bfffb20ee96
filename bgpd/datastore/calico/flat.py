"""The flat layout of Calico 2: a key for each value, as the same records that the resources become.

Values are plain text, but for peers, pools, reflectors and the mesh switch, which are JSON. Filters written in BIRD's
language cannot be done and are refused.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from bgpd.addresses import format_address
from bgpd.config.tables.kernel import IpipMode
from bgpd.config.tables.peer import NextHopMode
from bgpd.config.tables.process import LogLevel
from bgpd.datastore.calico import documents, values
from bgpd.datastore.calico.model import Node, Peer, Pool, Settings
from bgpd.datastore.calico.values import MAX_RESTART_TIME, SecretRef, UnreadableError
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.identity import Asn, BgpIdentifier

Value = str | int | bool | Peer | Asn | BgpIdentifier | None

_FAMILIES: Final = {"4": IPV4_UNICAST, "6": IPV6_UNICAST}
_LOG_LEVELS: Final = {"debug": LogLevel.DEBUG, "info": LogLevel.INFO}
_NEXT_HOPS: Final = {"self": NextHopMode.SELF, "keep": NextHopMode.KEEP}
_IPIP: Final = {"always": IpipMode.ALWAYS, "cross-subnet": IpipMode.CROSS_SUBNET}


class FlatKeys:
    """All keys of the flat layout but pools, by host; ``""`` is what concerns all. version: counts changes.

    Raises UnreadableError where a value cannot be used; what was there stays.
    """

    def __init__(self) -> None:
        self.hosts: dict[str, dict[str, Value]] = {}
        self.reflectors: dict[bytes, BgpIdentifier] = {}
        self.version = 0

    @property
    def is_empty(self) -> bool:
        """Is this layout not in use?"""
        return not (self.hosts or self.reflectors)

    def put(self, name: str, value: bytes) -> str | None:
        """Take a key; return the host that it concerns, None = none."""
        match name.split("/"):
            case ["global", "custom_filters", *_]:
                raise UnreadableError("", "none: filters in BIRD's language cannot be used; write a BGPFilter instead")
            case ["global", *rest]:
                return self._set("", rest, value)
            case ["host", host, *rest] if host:
                return self._set(host, rest, value)
            case ["rr_v4" | "rr_v6", ip] if ip:
                document = documents.read(value, documents.FlatReflectorDocument)
                cluster_id = values.identifier(document.cluster_id, "cluster_id")
                self.reflectors[values.address(document.ip or ip, "ip")] = cluster_id
                self.version += 1
        return None

    def delete(self, name: str) -> str | None:
        """Forget a key; return the host that it concerned, None = none."""
        parts = name.split("/")
        if parts[0] in ("rr_v4", "rr_v6") and len(parts) > 1:
            try:
                self.version += self.reflectors.pop(values.address(parts[1], ""), None) is not None
            except UnreadableError:
                return None  # such a key was never taken
            return None
        host, rest = ("", parts[1:]) if parts[0] == "global" else (parts[1] if len(parts) > 1 else "", parts[2:])
        fields = self.hosts.get(host, {})
        if fields.pop("/".join(rest), None) is None:
            return None
        self.version += 1
        if not fields:
            del self.hosts[host]
        return host

    def node(self, host: str) -> Node | None:
        """Return the node that a host's keys make, None = there is no such host."""
        fields = self.hosts.get(host)
        if not host or fields is None or not fields.keys() & {"ip_addr_v4", "ip_addr_v6"}:
            return None
        ipv4, ipv6 = (_node_address(fields, version) for version in "46")
        asn, cluster_id = fields.get("as_num"), fields.get("rr_cluster_id")
        return Node(
            host,
            ipv4=ipv4,
            ipv6=ipv6,
            asn=Asn(asn) if isinstance(asn, int) else None,
            cluster_id=BgpIdentifier(cluster_id) if isinstance(cluster_id, int) else None,
            has_bgp=ipv4 is not None or ipv6 is not None,
        )

    def settings(self, host: str) -> Settings:
        """Return the settings of a host, or the cluster's."""
        fields = self.hosts.get(host, {})
        level, port, mesh, asn = (fields.get(name) for name in ("loglevel", "listen_port", "node_mesh", "as_num"))
        return Settings(
            asn=Asn(asn) if isinstance(asn, int) else None,
            is_mesh=mesh if isinstance(mesh, bool) else None,
            listen_port=port if isinstance(port, int) else None,
            log_level=_LOG_LEVELS.get(level, LogLevel.ERROR) if isinstance(level, str) else None,
        )

    def peers(self) -> list[Peer]:
        """Return all peers, those of every node first."""
        return [
            replace(one, node=host)
            for host in sorted(self.hosts)
            for _, one in sorted(self.hosts[host].items())
            if isinstance(one, Peer)
        ]

    def _set(self, host: str, parts: list[str], value: bytes) -> str | None:
        found = _field(parts, value)
        name = "/".join(parts)
        if found is None:  # not ours, or as good as not there
            self.version += self.hosts.get(host, {}).pop(name, None) is not None
            return host
        fields = self.hosts.setdefault(host, {})
        if name not in fields or fields[name] != found:
            fields[name] = found
            self.version += 1
        return host


def pool(family: Family, key: str, value: bytes) -> Pool:
    """Return a pool. Raises UnreadableError."""
    document = documents.read(value, documents.FlatPoolDocument)
    if document.cidr:
        _, prefix = values.cidr(document.cidr, "cidr", family)
    else:
        _, prefix = values.key_cidr(key, "key")
    notices: tuple[str, ...] = ()
    ipip = IpipMode.NEVER
    if document.ipip:
        mode = document.ipip_mode or "always"
        if mode not in _IPIP:
            notices = ("ipip_mode: unknown word, taken as always; known are always and cross-subnet",)
        ipip = _IPIP.get(mode, IpipMode.ALWAYS) if family is IPV4_UNICAST else IpipMode.NEVER
    is_vxlan = document.vxlan_mode not in (None, "", "never")
    return Pool(key, family, prefix, ipip, is_vxlan, not document.disable_bgp_export, notices)


def _node_address(fields: Mapping[str, Value], version: str) -> values.NodeAddress | None:
    family = _FAMILIES[version]
    address, network = fields.get(f"ip_addr_v{version}"), fields.get(f"network_v{version}")
    if not isinstance(address, str):
        return None
    mask = network.partition("/")[2] if isinstance(network, str) else ""
    return values.node_address(f"{address}/{mask}" if mask and address else address, family, "")


def _field(parts: list[str], value: bytes) -> Value:
    """Return what the value of a key means, None = the key does not concern us. Raises UnreadableError."""
    match parts:
        case ["node_mesh"]:
            return documents.read(value, documents.FlatMeshDocument).enabled
        case ["peer_v4" | "peer_v6" as key, name] if name:
            return _peer(key, name, value)
        case ["as_num"]:
            return values.asn(_text(value), "value")
        case ["rr_cluster_id"]:
            text = _text(value)
            return values.identifier(text, "value") if text else ""
        case ["listen_port"]:
            return values.port_number(_text(value), "value")
        case ["loglevel"]:
            return _text(value).lower()
        case ["ip_addr_v4" | "ip_addr_v6" as key]:
            text = _text(value)
            values.node_address(text, _FAMILIES[key[-1]], "value")
            return text
        case ["network_v4" | "network_v6" as key]:
            text = _text(value)
            if text:
                values.cidr(text, "value", _FAMILIES[key[-1]])
            return text
    return None


def _peer(key: str, name: str, value: bytes) -> Peer:
    document = documents.read(value, documents.FlatPeerDocument)
    family = _FAMILIES[key[-1]]
    text, _, named_port = name.partition("-")
    address = values.address(document.ip or text, "ip")
    if len(address) != family.octets:
        raise UnreadableError("ip", f"an address as {key} has it")
    port = document.port or named_port
    restart_time = values.duration(document.restart_time, "restart_time")
    return Peer(
        f"{key} {format_address(address)}",
        address=address,
        port=values.port_number(port, "port") if port else None,
        asn=values.asn(document.as_num, "as_num"),
        local_asn=values.asn(document.local_as_num, "local_as_num"),
        uses_node_address=document.source_addr != "None",
        next_hop=_NEXT_HOPS.get((document.next_hop_mode or "").lower(), NextHopMode.AUTO),
        keeps_external_next_hop=bool(document.keep_next_hop) and not document.next_hop_mode,
        # A password that stands in etcd itself names no secret; such a session cannot be signed, so it stays down
        password=SecretRef(f"{key} {name}", "password") if document.password else None,
        restart_time=None if restart_time is None else min(restart_time, MAX_RESTART_TIME),
        keepalive_time=values.duration(document.keepalive_time, "keepalive_time"),
        allow_own_as=values.within(document.num_allow_local_as, 255, "num_allow_local_as"),
        ttl_security=values.within(document.ttl_security, 254, "ttl_security"),
        reachable_by=document.reachable_by or "",
        filters=tuple(document.filters or ()),
        is_reversed=False,
    )


def _text(value: bytes) -> str:
    try:
        return value.decode().strip()
    except UnicodeDecodeError:
        raise UnreadableError("value", "UTF-8 text") from None
