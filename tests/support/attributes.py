"""Attributes at random, of what routers send and of what they seldom do, and the two ways to read them."""

from random import Random

from bgpd.communities import BLACKHOLE, GRACEFUL_SHUTDOWN, LLGR_STALE
from bgpd.identity import Asn, BgpIdentifier
from bgpd.messages.attributes import block
from bgpd.messages.attributes.as_path import from_segments
from bgpd.messages.attributes.model import Aggregator, AsPath, Attributes, Origin, SegmentType, Unknown
from bgpd.messages.attributes.spec import TreatAsWithdraw
from bgpd.messages.negotiated import Negotiated
from bgpd.rib.export import NO_ADVERTISE, NO_EXPORT, NO_EXPORT_SUBCONFED
from tests.support.paths import LOCAL_ASN
from tests.support.rib import SELF

CLUSTER = 0xF4000001
GLOBAL = bytes.fromhex("20010db8000000000000000000000001")
LINK_LOCAL = bytes.fromhex("fe800000000000000000000000000001")
HOPS = (bytes((10, 1, 0, 1)), SELF, GLOBAL, GLOBAL + LINK_LOCAL, bytes(16) + LINK_LOCAL)
_ASNS = (1, 7, 65001, int(LOCAL_ASN), 0x00FFFFFF, 4_200_000_000)
_COMMUNITIES = (
    *(NO_EXPORT, NO_ADVERTISE, NO_EXPORT_SUBCONFED, LLGR_STALE, BLACKHOLE, GRACEFUL_SHUTDOWN),
    *(0xFFFFFF04, 0x00FFFFFF, 65001 << 16 | 7, 1),
)


def _numbers(random: Random, count: int) -> tuple[Asn, ...]:
    return tuple(map(Asn, random.choices(_ASNS, k=count)))


def _as_path(random: Random) -> AsPath:
    if random.random() < 0.8:
        length = random.choice([0, 1, 1, 2, 3, 5, 59, 60, 61, 62, 63, 64, 70])
        return from_segments([(SegmentType.AS_SEQUENCE, _numbers(random, length))] if length else [])
    kinds = random.choices(list(SegmentType), k=random.randrange(1, 4))
    return from_segments([(kind, _numbers(random, random.randrange(1, 5))) for kind in kinds])


def made_attributes(random: Random) -> Attributes:
    optional: dict[str, object] = {
        "med": random.randrange(4),
        "local_pref": random.choice([0, 100, 0xFFFFFFFF]),
        "atomic_aggregate": True,
        "aggregator": Aggregator(Asn(7), bytes((1, 2, 3, 4))),
        "communities": tuple(random.choices(_COMMUNITIES, k=random.choice([1, 2, 70]))),
        "originator_id": BgpIdentifier(5),
        "cluster_list": tuple(random.choices([9, CLUSTER], k=random.choice([1, 2, 62, 63, 64]))),
        "extended_communities": (random.choice([bytes(8), b"\x40" + bytes(7)]),),
        "ipv6_extended_communities": (bytes(20),),
        "large_communities": ((1, 2, 3),) * random.choice([1, 30]),
        "aigp": 7,
        "otc": Asn(65001),
        "unknown": (Unknown(0xE0, random.choice([0, 12, 99]), bytes(random.choice([0, 4, 300]))),),
    }
    there = random.sample(sorted(optional), k=random.choice([0, 0, 0, 1, 1, 2, 3, 5]))
    return block.make(
        origin=random.choice(list(Origin)),
        as_path=_as_path(random),
        next_hop=random.choice(HOPS),
        **{name: optional[name] for name in there},
    )


def read_twice(random: Random, session: Negotiated) -> tuple[Attributes, Attributes]:
    """Return attributes as they come over the session: read as usual, and by every rule in turn."""
    while True:
        made = made_attributes(random)
        next_hop = None if len(made.next_hop) == 4 else made.next_hop
        try:
            plainly = block.parse_plainly(made.octets, session, next_hop)
        except TreatAsWithdraw:
            continue
        return block.parse(made.octets, session, next_hop), plainly
