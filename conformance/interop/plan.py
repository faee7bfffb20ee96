"""One session between bgpd and BIRD as a plan: both ends' configuration, addresses and routes follow from it.

All sessions of a plan's kind live between the same two processes, each on a subnet of its own, and in BIRD with a
table for each session and family, so that one session's routes do not show in another's. Session n has
10.0.n.0/24 and fd00:0:n::/64, .1 and ::1 are bgpd's, .2 and ::2 BIRD's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import Final

OUR_ASN: Final = 64512
_ALONE: Final = 'local_asn_options = ["no-prepend", "replace-as"]'  # RFC 7705: in the path instead of ours
DEVICE: Final = "eth0"
MED: Final = 77  # what BIRD sets on its routes; see _FILTERS
LOCAL_PREF: Final = 150
BEHIND_BIRD: Final = 4200000033  # an AS that BIRD's routes came through
BEHIND_US: Final = 4200000007  # and one that ours came through
OUR_MED: Final = 55
COMMUNITIES: Final = ("65020:1", "65020:1:2", "rt:65020:1")  # of BIRD's routes, as bgpd writes them
LONG_LIST: Final = 1200  # communities of a route that needs an extended message
NODE: Final = {"ipv4": "10.0.0.1", "ipv6": "fd00::1"}  # our first addresses
NETWORK: Final = {"ipv4": "203.0.113.0/24", "ipv6": "2001:db8:113::/48"}  # what we originate, with communities


class Dialling(Enum):
    """Who opens the TCP connection."""

    WE = "we dial"
    THEY = "they dial"
    BOTH = "both dial"


@dataclass(frozen=True, slots=True)
class Plan:
    """One session.

    transport: family of the session's addresses. families: what it carries. bird_password: where BIRD's differs from
    ours. ours, theirs: further lines of each end's configuration; channel: of each channel of BIRD's. bird_expects: the
    AS number that BIRD takes us for, 0 = the right one. tables_of: number of the session whose tables in BIRD this one
    shares, 0 = it has its own.
    """

    number: int
    name: str
    bird_asn: int
    our_asn: int = OUR_ASN
    dialling: Dialling = Dialling.BOTH
    transport: str = "ipv4"
    families: tuple[str, ...] = ("ipv4",)
    password: str = ""
    bird_password: str | None = None
    ours: str = ""
    theirs: str = ""
    channel: str = ""
    bird_expects: int = 0
    tables_of: int = 0

    @property
    def is_internal(self) -> bool:
        """Is it iBGP?"""
        return self.bird_asn == self.our_asn

    @property
    def protocol(self) -> str:
        """Return the name of BIRD's BGP protocol."""
        return f"p{self.number}"

    def static(self, family: str) -> str:
        """Return the name of BIRD's static protocol."""
        return f"s{self.number}{family}"

    def table(self, family: str) -> str:
        """Return the name of BIRD's table."""
        return f"t{self.tables_of or self.number}{family}"

    def our_address(self, family: str) -> str:
        """Return our end of the session's subnet."""
        return f"10.0.{self.number}.1" if family == "ipv4" else f"fd00:0:{self.number:x}::1"

    def bird_address(self, family: str) -> str:
        """Return BIRD's end of the session's subnet."""
        return f"10.0.{self.number}.2" if family == "ipv4" else f"fd00:0:{self.number:x}::2"

    def bird_prefix(self, family: str) -> str:
        """Return what BIRD announces on the session."""
        return f"10.{100 + self.number}.0.0/24" if family == "ipv4" else f"fd01:{self.number:x}::/48"

    def beyond(self, family: str) -> str:
        """Return what BIRD announces with another router of the subnet as next hop."""
        return f"10.{100 + self.number}.1.0/24" if family == "ipv4" else f"fd01:{self.number:x}:1::/48"

    def other_router(self, family: str) -> str:
        """Return that router's address; nobody has it."""
        return f"10.0.{self.number}.3" if family == "ipv4" else f"fd00:0:{self.number:x}::3"

    def container(self, family: str) -> str:
        """Return the host route that we announce for this session's test of withdrawals."""
        return f"10.65.1.{self.number}/32" if family == "ipv4" else f"fd65::{self.number:x}/128"

    def next_hop(self, family: str) -> str:
        """Return the next hop that our own routes have to come with."""
        return self.our_address(family) if family == self.transport else NODE[family]

    def bgpd(self) -> str:
        """Return our end's table of bgp.toml."""
        families = ", ".join(f'"{family}-unicast"' for family in self.families)
        lines = [
            "[[peer]]",
            f'name = "{self.name}"',
            f'address = "{self.bird_address(self.transport)}"',
            f"asn = {self.bird_asn}",
            f"local_asn = {self.our_asn}",
            *([] if self.our_asn == OUR_ASN or self.is_internal else [_ALONE]),
            f"families = [{families}]",
            f"passive = {'true' if self.dialling is Dialling.THEY else 'false'}",
            'import = ["from-bird"]',
            'export = ["to-bird"]',
            *([f'password = "{self.password}"'] if self.password else []),
            self.ours,
        ]
        return "\n".join(lines) + "\n"

    def bird(self) -> str:
        """Return BIRD's end: tables, static routes and the BGP protocol."""
        channels = "".join(self._channel(family) for family in self.families)
        password = self.password if self.bird_password is None else self.bird_password
        return (
            "".join(self._source(family) for family in self.families)
            + f"""protocol bgp {self.protocol} {{
                local {self.bird_address(self.transport)} as {self.bird_asn};
                neighbor {self.our_address(self.transport)} as {self.bird_expects or self.our_asn};
                {"" if "multihop" in self.theirs else "direct;"}
                {"passive;" if self.dialling is Dialling.WE else ""}
                {f'password "{password}";' if password else ""}
                connect delay time 1; connect retry time 1; error wait time 1, 2;
                {self.theirs}
                {channels}
            }}
            """
        )

    def _source(self, family: str) -> str:
        table = "" if self.tables_of else f"{family} table {self.table(family)};"
        return f"""{table}
            protocol static {self.static(family)} {{ {family} {{ table {self.table(family)}; }};
                route {self.bird_prefix(family)} blackhole;
                route {self.beyond(family)} via {self.other_router(family)};
            }}
            """

    def _channel(self, family: str) -> str:
        name = "to_internal" if self.is_internal else "to_external"
        next_hop = f"next hop address {self.bird_address(family)};" if self._needs_next_hop(family) else ""
        return (
            f"{family} {{ table {self.table(family)}; import all; export filter {name}; {next_hop} {self.channel} }};\n"
        )

    def _needs_next_hop(self, family: str) -> bool:
        return family != self.transport and "extended next hop" not in self.channel


_FILTERS: Final = f"""
function attributes_of_a_route()
{{
    if source = RTS_STATIC then {{
        bgp_origin = ORIGIN_EGP;
        bgp_path.prepend({BEHIND_BIRD});
        bgp_med = {MED};
        bgp_community.add((65020, 1));
        bgp_large_community.add((65020, 1, 2));
        bgp_ext_community.add((rt, 65020, 1));
    }}
}}
filter to_internal {{
    attributes_of_a_route();
    if source = RTS_STATIC then bgp_local_pref = {LOCAL_PREF};
    accept;
}}
filter to_external {{ attributes_of_a_route(); accept; }}
"""


def bird_config(plans: Iterable[Plan], extra: str = "") -> str:
    """Return BIRD's whole configuration."""
    head = "router id 10.0.0.2;\nprotocol device { scan time 60; }\n" + _FILTERS
    return head + "".join(plan.bird() for plan in plans) + extra


_NETWORKS: Final = ", ".join(f'"{prefix}"' for prefix in NETWORK.values())
_TELL: Final = f'match = "equal", source = "network", action = "accept", set_med = {OUR_MED}, prepend = [{BEHIND_US}]'
POLICIES: Final = f"""
[[policy]]
name = "from-bird"
default = "accept"
[[policy]]
name = "to-bird"
default = "accept"
rules = [ {{ prefixes = [{_NETWORKS}], {_TELL} }} ]
"""


def node(*, extra: str = "") -> str:
    """Return the head of bgp.toml, everything but peers and policies. extra: keys of ``[node]``."""
    networks = "".join(
        f'[[network]]\nprefix = "{prefix}"\ncommunities = ["64512:77", "64512:1:2", "rt:64512:77"]\n'
        for prefix in NETWORK.values()
    )
    return f"""
[node]
name = "node-1"
asn = {OUR_ASN}
addresses = ["{NODE["ipv4"]}/24", "{NODE["ipv6"]}/64"]
{extra}
[session]
connect_retry_time = 1
idle_hold = {{ first = 1, max = 2 }}
{networks}
"""


def bgpd_config(plans: Iterable[Plan], *, extra: str = "", policies: str = POLICIES) -> str:
    """Return our whole configuration. extra: keys of ``[node]``."""
    return node(extra=extra) + policies + "".join(plan.bgpd() for plan in plans)


def matrix() -> list[Plan]:
    """Return every combination of peer type, dialling side, carrier and TCP-MD5."""
    carriers = {
        "IPv4": ("ipv4", ("ipv4",), ""),
        "IPv6": ("ipv6", ("ipv6",), ""),
        "both over IPv4": ("ipv4", ("ipv4", "ipv6"), ""),
        "both over IPv6": ("ipv6", ("ipv4", "ipv6"), "extended next hop on;"),
    }
    plans: list[Plan] = []
    for kind, dialling, carrier, md5 in product(("iBGP", "eBGP"), Dialling, carriers, ("", "MD5")):
        transport, families, channel = carriers[carrier]
        number = len(plans) + 1
        plans.append(
            Plan(
                number,
                ", ".join(filter(None, (kind, dialling.value, carrier, md5))),
                OUR_ASN if kind == "iBGP" else 65020 + number,
                dialling=dialling,
                transport=transport,
                families=families,
                password=f"secret-{number}" if md5 else "",
                channel=channel,
            )
        )
    return plans
