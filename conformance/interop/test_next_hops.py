"""Our IPv4 routes with an IPv6 next hop: they are in the other daemon's table, and carry traffic if it has a kernel.

RFC 8950 section 4. We are a node without an IPv4 address; the other direction is one of the options of a session.
"""

from pathlib import Path
from typing import Final

import pytest

from conformance.interop.meeting import meeting
from conformance.interop.peer_daemon import Kind
from conformance.interop.peering import FAMILIES, Option, Peering
from conformance.interop.plan import NETWORK
from conformance.interop.waiting import eventually

pytestmark = [pytest.mark.interop, pytest.mark.netns]

OPTIONS: Final = frozenset({Option.EXTENDED_NEXT_HOP, Option.OUR_IPV6_NEXT_HOP})
PEERINGS: Final = tuple(
    Peering(
        number,
        f"{name}, IPv6 next hop of IPv4, ours",
        is_internal,
        transport="ipv6",
        families=FAMILIES,
        options=OPTIONS,
    )
    for number, name, is_internal in ((81, "iBGP", True), (82, "eBGP", False))
)
INSIDE: Final = "203.0.113.1"  # of our network


@pytest.mark.rfc("8950", "4")
@pytest.mark.parametrize("peering", PEERINGS, ids=lambda peering: peering.name)
def test_they_have_our_ipv4_routes_by_an_ipv6_next_hop(kind: Kind, tmp_path: Path, peering: Peering) -> None:
    with meeting(kind, tmp_path, [peering]) as made:
        made.here.ip(f"address add {INSIDE}/32 dev lo")
        made.of(peering).start()
        made.bgpd.start()
        made.wait_established([peering], limit=30)

        seen = eventually("our network", lambda: made.of(peering).routes(peering, NETWORK["ipv4"]))[0]

        assert seen.next_hop == peering.our_address("ipv6")
        if kind.has_fib:
            there = made.there(peering)
            way = f"via inet6 {peering.our_address('ipv6')} "
            eventually("in their kernel", lambda: way in there.ip(f"route show {NETWORK['ipv4']}"))
            eventually("theirs in ours", lambda: made.bgpd.kernel_route(peering.prefix("ipv4")))
            there.run("ping", "-n", "-c", "1", "-W", "3", "-I", peering.inside("ipv4"), INSIDE)
