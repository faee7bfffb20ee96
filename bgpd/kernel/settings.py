"""What the kernel part needs of the configuration (`[kernel]`), as plain frozen values."""

from bgpd.kernel.rtnetlink import PROTOCOLS, RT_TABLE_MAIN
from bgpd.records import dataclass


@dataclass(frozen=True, slots=True)
class LearnRule:
    """Which of others' kernel routes are ours to announce. A route must match every part.

    protocols: route protocol numbers; empty = any but those that never count (see ``learning``). devices: globs over
    interface names; empty = any, also no device at all (black holes). gateway: also routes that lead through a gateway.
    table: routing table; 0 = the one we write to.
    """

    protocols: frozenset[int] = frozenset()
    devices: tuple[str, ...] = ()
    gateway: bool = False
    table: int = 0


@dataclass(frozen=True, slots=True)
class KernelSettings:
    """The `[kernel]` table.

    table: routing table that we write to, 1 to 2^32-1. protocol: route protocol number that marks our routes, 4 to
    255. metric: priority of our routes; 0 = leave unset. tunnel_device: name of the IPIP device. ecmp: most legs of a
    route.
    """

    table: int = RT_TABLE_MAIN
    protocol: int = PROTOCOLS["bgp"]
    metric: int = 0
    tunnel_device: str = "tunl0"
    ecmp: int = 16
    learn: tuple[LearnRule, ...] = (LearnRule(frozenset({3, 4}), ("cali*",)),)
    import_default_route: bool = False

    def tables(self) -> frozenset[int]:
        """Return the routing tables that have to be followed: ours, the main one, and those of learn rules."""
        return frozenset({self.table, RT_TABLE_MAIN} | {rule.table for rule in self.learn if rule.table})


def parse_protocol(text: str | int) -> int:
    """Return the number of a route protocol given by its iproute2 name or its number. Raises ValueError."""
    if isinstance(text, str) and text in PROTOCOLS:
        return PROTOCOLS[text]
    try:
        number = int(text)
    except ValueError:
        raise ValueError(
            f"unknown route protocol {text!r}: expected a number or one of {', '.join(PROTOCOLS)}"
        ) from None
    if not 0 <= number <= 255:
        raise ValueError(f"a route protocol number is between 0 and 255: {number}")
    return number
