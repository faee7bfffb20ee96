"""One session between bgpd and another daemon as a plan that both ends' configurations follow from.

A daemon's module renders its own end from the same record. Peering n has the subnets 10.0.n.0/24 and fd00:0:n::/64, .1
and ::1 are bgpd's, .2 and ::2 the other's. What the other announces on it, it announces on no other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import Final

from conformance.interop.plan import BEHIND_US, NETWORK, NODE, OUR_ASN, OUR_MED, Dialling

EXTERNAL_ASN: Final = 65001
LONG_ASN: Final = 4200000001  # of an external peering that shows four-octet AS numbers
MED: Final = 77  # of their routes
LOCAL_PREF: Final = 150
COMMUNITIES: Final = ("65020:1", "65020:1:2", "rt:65020:1")  # of their routes, as bgpd writes them
OUR_COMMUNITIES: Final = ("64512:77", "64512:1:2", "rt:64512:77")
FAMILIES: Final = ("ipv4", "ipv6")
RESTART_TIME: Final = 2  # seconds, of both ends of a session with long-lived graceful restart


class Option(Enum):
    """What a session may have beyond the plain one. A daemon that lacks one says how that shows."""

    MD5 = "TCP-MD5"
    GTSM = "GTSM"
    FOUR_OCTET_AS = "four-octet AS"
    TWO_OCTET_AS = "two-octet AS"
    ROUTE_REFRESH = "route refresh"
    ENHANCED_REFRESH = "enhanced refresh"
    ADD_PATH_RECEIVE = "ADD-PATH, we receive"
    ADD_PATH_SEND = "ADD-PATH, we send"
    ROLE = "roles"
    EXTENDED_MESSAGES = "extended messages"
    EXTENDED_NEXT_HOP = "IPv6 next hop of IPv4, theirs"
    OUR_IPV6_NEXT_HOP = "IPv6 next hop of IPv4, ours"
    SHUTDOWN_TEXT_FROM_THEM = "shutdown text, they say"
    SHUTDOWN_TEXT_FROM_US = "shutdown text, we say"
    MAX_PREFIXES_OURS = "maximum prefixes, ours"
    MAX_PREFIXES_THEIRS = "maximum prefixes, theirs"
    GRACEFUL_RESTART = "graceful restart"
    THEIR_RESTART = "graceful restart, they restart"
    LONG_LIVED = "long-lived graceful restart"


_OURS: Final = {
    Option.GTSM: "ttl_security = 1",
    Option.ADD_PATH_RECEIVE: 'add_path = "receive"\nallow_own_as = 1',
    Option.ADD_PATH_SEND: 'add_path = "send"',
    Option.MAX_PREFIXES_OURS: 'max_prefixes = { limit = 1, action = "close", restart_after = 2 }',
    Option.ROLE: 'role = "provider"',
}


@dataclass(frozen=True, slots=True)
class Peering:
    """One session.

    transport: family of the session's addresses. families: what it carries. ours: further lines of our ``[[peer]]``.
    stale_time: seconds that routes are a last resort, of both ends of a session with long-lived graceful restart.
    """

    number: int
    name: str
    is_internal: bool
    dialling: Dialling = Dialling.BOTH
    transport: str = "ipv4"
    families: tuple[str, ...] = ("ipv4",)
    options: frozenset[Option] = frozenset()
    ours: str = ""
    stale_time: int = 0

    @property
    def their_asn(self) -> int:
        """Return the AS number that the other one has on this session."""
        if self.is_internal:
            return OUR_ASN
        return LONG_ASN if Option.FOUR_OCTET_AS in self.options else EXTERNAL_ASN

    @property
    def password(self) -> str:
        """Return the TCP-MD5 password, empty = none."""
        return f"secret-{self.number}" if Option.MD5 in self.options else ""

    @property
    def our_end(self) -> str:
        """Return our address of the session."""
        return self.our_address(self.transport)

    @property
    def their_end(self) -> str:
        """Return their address of the session."""
        return self.their_address(self.transport)

    def our_address(self, family: str) -> str:
        """Return our address in the session's subnet."""
        return f"10.0.{self.number}.1" if family == "ipv4" else f"fd00:0:{self.number:x}::1"

    def their_address(self, family: str) -> str:
        """Return their address in the session's subnet."""
        return f"10.0.{self.number}.2" if family == "ipv4" else f"fd00:0:{self.number:x}::2"

    def prefix(self, family: str) -> str:
        """Return what they announce on the session."""
        return f"10.{100 + self.number}.0.0/24" if family == "ipv4" else f"fd01:{self.number:x}::/48"

    def originated(self, family: str) -> tuple[str, ...]:
        """Return all that they announce of their own on the session."""
        more = f"10.{100 + self.number}.1.0/24" if family == "ipv4" else f"fd01:{self.number:x}:1::/48"
        return (self.prefix(family), *([more] if Option.MAX_PREFIXES_OURS in self.options else []))

    def passed_on(self, family: str) -> tuple[str, ...]:
        """Return what they send back to us, though it came from us on other sessions: our network, by many ways."""
        return (NETWORK[family],) if Option.ADD_PATH_RECEIVE in self.options else ()

    def inside(self, family: str) -> str:
        """Return an address in that prefix."""
        return f"10.{100 + self.number}.0.1" if family == "ipv4" else f"fd01:{self.number:x}::1"

    def container(self, family: str) -> str:
        """Return the host route that we announce for this session's test of withdrawals."""
        return f"10.65.1.{self.number}/32" if family == "ipv4" else f"fd65::{self.number:x}/128"

    def next_hop(self, family: str) -> str:
        """Return the next hop that our own routes have to come with."""
        if family == self.transport or Option.OUR_IPV6_NEXT_HOP in self.options:
            return self.our_end
        return NODE[family]

    def our_path(self, *beyond: int) -> str:
        """Return the AS path that a route of ours has at their end."""
        return " ".join(str(asn) for asn in (*([] if self.is_internal else [OUR_ASN]), *beyond))

    def bgpd(self) -> str:
        """Return our end's table of bgp.toml."""
        families = ", ".join(f'"{family}-unicast"' for family in self.families)
        lines = [
            "[[peer]]",
            f'name = "{self.name}"',
            f'address = "{self.their_end}"',
            f"asn = {self.their_asn}",
            f"families = [{families}]",
            f"passive = {'true' if self.dialling is Dialling.THEY else 'false'}",
            'import = ["from-them"]',
            'export = ["to-them"]',
            *([f'password = "{self.password}"'] if self.password else []),
            *(line for option, line in _OURS.items() if option in self.options),
            *(self._long_lived() if Option.LONG_LIVED in self.options else []),
            self.ours,
        ]
        return "\n".join(lines) + "\n"

    def _long_lived(self) -> tuple[str, ...]:
        return (
            f"graceful_restart = {{ restart_time = {RESTART_TIME} }}",
            f"long_lived_graceful_restart = {{ stale_time = {self.stale_time} }}",
        )


_CARRIERS: Final = {
    "IPv4": ("ipv4", ("ipv4",)),
    "IPv6": ("ipv6", ("ipv6",)),
    "both over IPv4": ("ipv4", FAMILIES),
    "both over IPv6": ("ipv6", FAMILIES),
}


def matrix() -> tuple[Peering, ...]:
    """Return every combination of peer type, dialling side, carrier and TCP-MD5."""
    peerings: list[Peering] = []
    for kind, dialling, carrier, options in product(
        ("iBGP", "eBGP"), Dialling, _CARRIERS, (frozenset[Option](), frozenset({Option.MD5}))
    ):
        transport, families = _CARRIERS[carrier]
        words = (kind, dialling.value, carrier, *(option.value for option in options))
        peerings.append(
            Peering(len(peerings) + 1, ", ".join(words), kind == "iBGP", dialling, transport, families, options=options)
        )
    return tuple(peerings)


def _external(number: int, option: Option, transport: str = "ipv4", families: tuple[str, ...] = ("ipv4",)) -> Peering:
    return Peering(number, option.value, False, transport=transport, families=families, options=frozenset({option}))


OPTIONS: Final = {
    Option.GTSM: _external(51, Option.GTSM),
    Option.FOUR_OCTET_AS: _external(52, Option.FOUR_OCTET_AS),
    Option.TWO_OCTET_AS: Peering(53, "two-octet AS", True, options=frozenset({Option.TWO_OCTET_AS})),
    Option.ROUTE_REFRESH: _external(54, Option.ROUTE_REFRESH),
    Option.ENHANCED_REFRESH: _external(55, Option.ENHANCED_REFRESH),
    Option.ADD_PATH_RECEIVE: _external(56, Option.ADD_PATH_RECEIVE),
    Option.ADD_PATH_SEND: _external(57, Option.ADD_PATH_SEND),
    Option.EXTENDED_MESSAGES: _external(58, Option.EXTENDED_MESSAGES),
    Option.EXTENDED_NEXT_HOP: _external(59, Option.EXTENDED_NEXT_HOP, "ipv6", FAMILIES),
    Option.ROLE: _external(60, Option.ROLE),
    Option.SHUTDOWN_TEXT_FROM_THEM: _external(61, Option.SHUTDOWN_TEXT_FROM_THEM),
    Option.SHUTDOWN_TEXT_FROM_US: _external(62, Option.SHUTDOWN_TEXT_FROM_US),
    Option.MAX_PREFIXES_OURS: _external(63, Option.MAX_PREFIXES_OURS),
    Option.MAX_PREFIXES_THEIRS: _external(64, Option.MAX_PREFIXES_THEIRS),
}
LONG_PREFIX: Final = "198.51.100.0/24"  # of ours, with more communities than a plain message holds
LONG_LIST: Final = 1200
LONG_COMMUNITIES: Final = frozenset(f"65020:{number}" for number in range(LONG_LIST))
LONG_NETWORK: Final = (
    f'[[network]]\nprefix = "{LONG_PREFIX}"\n'
    "communities = [" + ", ".join(f'"{community}"' for community in sorted(LONG_COMMUNITIES)) + "]\n"
)

_NETWORKS: Final = ", ".join(f'"{prefix}"' for prefix in NETWORK.values())
_TELL: Final = f'match = "equal", source = "network", action = "accept", set_med = {OUR_MED}, prepend = [{BEHIND_US}]'
_POLICIES: Final = f"""
[[policy]]
name = "from-them"
default = "accept"
[[policy]]
name = "to-them"
default = "accept"
rules = [ {{ prefixes = [{_NETWORKS}], {_TELL} }} ]
"""


def bgpd_config(peerings: Iterable[Peering], extra: str = "") -> str:
    """Return our whole configuration. extra: further tables.

    A session on which our IPv4 routes are to have an IPv6 next hop makes us a node without an IPv4 address.
    """
    peerings = tuple(peerings)
    addresses = [f"{NODE['ipv6']}/64"]
    if not any(Option.OUR_IPV6_NEXT_HOP in peering.options for peering in peerings):
        addresses.insert(0, f"{NODE['ipv4']}/24")
    listed = ", ".join(f'"{address}"' for address in addresses)
    communities = ", ".join(f'"{community}"' for community in OUR_COMMUNITIES)
    networks = "".join(
        f'[[network]]\nprefix = "{prefix}"\ncommunities = [{communities}]\n' for prefix in NETWORK.values()
    )
    head = f"""
[node]
name = "node-1"
asn = {OUR_ASN}
router_id = "{NODE["ipv4"]}"
addresses = [{listed}]
[session]
connect_retry_time = 1
idle_hold = {{ first = 1, max = 2 }}
"""
    return head + networks + extra + _POLICIES + "".join(peering.bgpd() for peering in peerings)
