"""What a node announces: the export policies of its sessions, and the prefixes that it originates.

The order is Calico's: the peer's own filters, pools that are not exported, devices whose routes stay on the node, the
communities of prefix advertisements, our blocks, service ranges, pools; anything else stays here.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from bgpd.communities import NO_COMMUNITIES
from bgpd.config.resolved import ResolvedNetwork
from bgpd.datastore.calico.model import Advertisement, BlockState, Filter, Node, Pool, Settings
from bgpd.datastore.calico.values import Cidr
from bgpd.identity import PeerType
from bgpd.policy.rules import Action, Changes, Comparison, Conditions, Policy, Rule
from bgpd.policy.sets import PrefixEntry, PrefixSet
from bgpd.records import dataclass

EXPORT_POLICY: Final = "cluster export"
WITHHELD_POLICY: Final = "pools not exported"
EXCLUDING_LABEL: Final = "node.kubernetes.io/exclude-from-external-load-balancers"

_HIGHEST: Final = 2147483647  # LOCAL_PREF of metric 0
_TO_INTERNAL: Final = (PeerType.INTERNAL,)


@dataclass(frozen=True, slots=True)
class Announced:
    """What the export policy rests on. blocks: ours. networks: that the configuration file originates.

    ranges: of services. reflected: ranges of services that a reflector passes on. priorities: of ordinary routes by
    family, empty = LOCAL_PREF does not tell metrics. leaves_ipip: another agent writes the routes through tunnel.
    """

    pools: tuple[Pool, ...]
    blocks: tuple[Cidr, ...]
    networks: tuple[Cidr, ...]
    ranges: tuple[Cidr, ...]
    reflected: tuple[Cidr, ...]
    advertisements: tuple[Advertisement, ...]
    priorities: tuple[tuple[str, int], ...]
    leaves_ipip: bool
    tunnel: str


def filter_policies(filters: Iterable[Filter]) -> tuple[Policy, ...]:
    """Return the policies of all filters that have rules, one for each direction."""
    found = []
    for one in filters:
        if one.imports:
            found.append(Policy(import_name(one.name), one.imports))
        if one.exports:
            found.append(Policy(export_name(one.name), one.exports))
    return tuple(found)


def import_name(name: str) -> str:
    """Return the name of the policy that a filter's import rules make."""
    return f"filter {name} import"


def export_name(name: str) -> str:
    """Return the name of the policy that a filter's export rules make."""
    return f"filter {name} export"


def withheld_policy(pools: Sequence[Pool]) -> Policy | None:
    """Return the policy for peers of the configuration file: it keeps pools back that are not exported."""
    rules = _withheld(pools)
    return Policy(WITHHELD_POLICY, tuple(rules)) if rules else None


def export_policy(announced: Announced) -> Policy:
    """Return the policy behind the filters of every session that etcd makes."""
    rules = _withheld(announced.pools)
    rules += _devices(announced)
    for number, one in enumerate(announced.advertisements, 1):
        prefixes = (PrefixSet((PrefixEntry(one.family, one.prefix),)),)
        changes = Changes(add_communities=one.communities)
        if one.communities != NO_COMMUNITIES:
            rules.append(Rule(f"advertisement {number}", Action.NEXT, Conditions(prefixes=prefixes), changes))
    if announced.blocks:
        rules.append(_rule("own block", Action.ACCEPT, announced.blocks, Comparison.EQUAL))
        for family, priority in announced.priorities:
            of_family = tuple(one for one in announced.blocks if one[0].name == family)
            if of_family:  # a container that has just come to us
                conditions = Conditions(prefixes=(_set(of_family),), local_pref=(_HIGHEST - priority + 1, _HIGHEST))
                rules.append(Rule("preferred in own block", Action.ACCEPT, conditions))
        rules.append(_rule("in own block", Action.REJECT, announced.blocks))
    if announced.networks:
        rules.append(_rule("network of this node", Action.ACCEPT, announced.networks, Comparison.EQUAL))
    if announced.ranges:
        rules.append(_rule("service range", Action.ACCEPT, announced.ranges))
    if announced.reflected:
        rules.append(_rule("service range of others", Action.ACCEPT, announced.reflected))
    if announced.pools:
        rules.append(_rule("pool", Action.ACCEPT, [(pool.family, pool.prefix) for pool in announced.pools]))
    return Policy(EXPORT_POLICY, tuple(rules), Action.REJECT)


def originated(blocks: Iterable[Cidr], ranges: Iterable[Cidr]) -> tuple[ResolvedNetwork, ...]:
    """Return our blocks and service ranges as networks with a black hole."""
    return tuple(
        ResolvedNetwork(family, prefix, blackhole=True, communities=NO_COMMUNITIES)
        for family, prefix in dict.fromkeys((*blocks, *ranges))
    )


def is_block_announced(cidr: Cidr, state: BlockState) -> bool:
    """Is one of our blocks announced as a whole? One of a single address is not: its container's route is."""
    family, prefix = cidr
    return state is BlockState.OWNED and prefix[0] < family.bits


def service_ranges(settings: Settings) -> tuple[Cidr, ...]:
    """Return the service prefixes wider than one address; never written to the kernel."""
    listed = (*settings.cluster_ips, *settings.external_ips, *settings.load_balancer_ips)
    return tuple(dict.fromkeys(one for one in listed if not _is_host(one)))


def announced_ranges(settings: Settings, me: Node) -> tuple[Cidr, ...]:
    """Return the service ranges that this node announces."""
    if me.labels.get(EXCLUDING_LABEL) == "true":
        return ()
    balanced = settings.load_balancer_ips if settings.aggregates_load_balancers else ()
    listed = (*settings.cluster_ips, *settings.external_ips, *balanced)
    return tuple(dict.fromkeys(one for one in listed if not _is_host(one)))


def reflected_ranges(settings: Settings) -> tuple[Cidr, ...]:
    """Return the service prefixes that a reflector passes on, whoever announced them."""
    return tuple(dict.fromkeys((*settings.load_balancer_ips, *settings.external_ips)))


def service_hosts(settings: Settings) -> tuple[Cidr, ...]:
    """Return the service prefixes of a single address: which node has an endpoint, only Kubernetes knows."""
    listed = (*settings.cluster_ips, *settings.external_ips, *settings.load_balancer_ips)
    return tuple(dict.fromkeys(filter(_is_host, listed)))


def _is_host(cidr: Cidr) -> bool:
    return cidr[1][0] == cidr[0].bits


def _withheld(pools: Sequence[Pool]) -> list[Rule]:
    closed = [(pool.family, pool.prefix) for pool in pools if not pool.is_exported]
    return [_rule("pool not exported", Action.REJECT, closed)] if closed else []


def _devices(announced: Announced) -> list[Rule]:
    """Return the rules for routes that lead into devices of another agent: those stay on the node."""
    rules = [
        Rule(f"device {glob}", Action.REJECT, Conditions(interface=glob, peer_types=_TO_INTERNAL))
        for glob in ("*.cali", "*.calico", *((announced.tunnel,) if announced.leaves_ipip else ()))
    ]
    return [*rules, Rule("device bpf*.cali", Action.REJECT, Conditions(interface="bpf*.cali"))]


def _set(cidrs: Iterable[Cidr]) -> PrefixSet:
    return PrefixSet(tuple(PrefixEntry(family, prefix) for family, prefix in cidrs))


def _rule(name: str, action: Action, cidrs: Iterable[Cidr], comparison: Comparison = Comparison.IN) -> Rule:
    return Rule(name, action, Conditions(prefixes=(_set(cidrs),), comparison=comparison))
