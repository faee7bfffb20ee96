"""What the kernel part is told of a configuration."""

from bgpd.addresses import network_of
from bgpd.config import Resolved, ResolvedKernel
from bgpd.families import FAMILY_BY_ADDRESS_SIZE, IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.kernel import Ipip, KernelSettings, LearnRule, Pool, Programmer


def kernel_settings(config: ResolvedKernel) -> KernelSettings:
    """Return what the kernel part needs of the configuration."""
    return KernelSettings(
        table=config.table,
        protocol=config.protocol,
        metric=config.metric,
        tunnel_device=config.tunnel_device,
        ecmp=config.ecmp,
        learn=tuple(LearnRule(rule.protocols, rule.devices, rule.gateway, rule.table) for rule in config.learn),
        import_default_route=config.import_default_route,
    )


def programmer(config: Resolved, tunnel: int) -> Programmer:
    """Return what makes kernel routes of paths. tunnel: index of the tunnel device, 0 = there is none."""
    return Programmer(
        [Pool(pool.family, pool.prefix, Ipip(pool.ipip.value), pool.is_programmed) for pool in config.pools],
        [(FAMILY_BY_ADDRESS_SIZE[len(a)], network_of(a, length)) for a, length in config.node.addresses],
        tunnel=tunnel,
        ecmp=config.kernel.ecmp,
        metric=config.kernel.metric,
        encrypted=config.kernel.encrypted_hops,
        priorities=priorities(config.kernel),
    )


def priorities(config: ResolvedKernel) -> dict[Family, int]:
    """Return the metric of ordinary routes by family, empty = LOCAL_PREF does not tell metrics."""
    wanted = {IPV4_UNICAST: config.priority_ipv4, IPV6_UNICAST: config.priority_ipv6}
    return {family: priority for family, priority in wanted.items() if priority}
