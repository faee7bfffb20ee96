"""One side dies and stays away: its routes become a last resort, and go in the end; or it comes back in time.

RFC 9494 sections 3 and 4. Both ends have a restart time of two seconds and a stale time of ``Peering.stale_time``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from conformance.interop.meeting import Meeting, meeting
from conformance.interop.peer_daemon import Kind
from conformance.interop.peering import FAMILIES, Option, Peering
from conformance.interop.plan import NETWORK, Dialling
from conformance.interop.scripted import WELL_KNOWN, ScriptedPeer
from conformance.interop.waiting import NotYet, eventually

pytestmark = [pytest.mark.interop, pytest.mark.netns]

LASTING: Final = frozenset({Option.LONG_LIVED})
STALE: Final = frozenset({"65535:6"})  # LLGR_STALE
BRIEF, LONG = 6, 600  # seconds


def _peerings(number: int, dialling: Dialling) -> tuple[Peering, Peering]:
    internal, external = (
        Peering(number + is_external, f"{name}, long-lived", not is_external, dialling, "ipv4", FAMILIES, LASTING)
        for is_external, name in enumerate(("iBGP", "eBGP"))
    )
    return replace(internal, stale_time=BRIEF), replace(external, stale_time=BRIEF)


INTERNAL, EXTERNAL = THEIRS = _peerings(75, Dialling.THEY)  # GoBGP is given its routes only when it runs
OURS: Final = _peerings(78, Dialling.BOTH)  # FRR waits for the dial of who it has stale routes of
FALLBACK: Final = "10.0.77.2"  # a scripted peer with a worse route for what the lost one announces
FALLBACK_ASN: Final = 65077
_FALLBACK_PEER: Final = (
    f'[[peer]]\nname = "fallback"\naddress = "{FALLBACK}"\nlocal_address = "10.0.77.1"\nasn = {FALLBACK_ASN}\n'
    'passive = true\nimport = ["from-them"]\nexport = ["to-them"]\n'
)

of_theirs = pytest.mark.parametrize("peering", THEIRS, ids=lambda peering: peering.name)
of_ours = pytest.mark.parametrize("peering", OURS, ids=lambda peering: peering.name)


@pytest.mark.rfc("9494", "4.2")
@of_theirs
def test_their_routes_are_our_last_resort_when_they_die_and_go_in_the_end(
    kind: Kind, tmp_path: Path, peering: Peering
) -> None:
    with _running(kind, tmp_path, [peering], _FALLBACK_PEER) as made, _fallback(made, peering):
        assert _ways(made, peering) == {peering.their_address("ipv4")}

        made.of(peering).kill()

        eventually("the other route is better", lambda: _ways(made, peering) == {FALLBACK})
        assert made.bgpd.kernel_route(peering.prefix("ipv6"))  # a last resort is better than none
        assert all(_is_last_resort(made, peering, family) for family in FAMILIES)
        eventually("gone in the end", lambda: not made.bgpd.routes_in(peering.name), limit=BRIEF + 10)
        assert made.bgpd.kernel_route_or_none(peering.prefix("ipv6")) is None


@pytest.mark.rfc("9494", "4.2")
@of_theirs
def test_their_routes_are_as_good_as_before_when_they_come_back_in_time(
    kind: Kind, tmp_path: Path, peering: Peering
) -> None:
    peering = replace(peering, stale_time=LONG)
    with (
        _running(kind, tmp_path, [peering], _FALLBACK_PEER) as made,
        _fallback(made, peering),
        made.watch_kernel() as kernel,
    ):
        made.of(peering).kill()
        eventually("the other route is better", lambda: _ways(made, peering) == {FALLBACK})

        made.of(peering).recover()

        made.wait_established([peering], limit=30)
        eventually("theirs is the best again", lambda: _ways(made, peering) == {peering.their_address("ipv4")})
        eventually("nothing is stale", lambda: not any(row.is_stale for row in made.bgpd.routes_in(peering.name)))
        for family in FAMILIES:
            assert kernel.deletions(peering.prefix(family)) == []


@pytest.mark.rfc("9494", "4.3")
@pytest.mark.parametrize("peering", [INTERNAL], ids=lambda peering: peering.name)
def test_they_are_told_that_a_route_of_a_third_one_is_a_last_resort(
    kind: Kind, tmp_path: Path, peering: Peering
) -> None:
    with _running(kind, tmp_path, THEIRS) as made:
        eventually("theirs", lambda: all(made.inner.routes(peering, EXTERNAL.prefix(family)) for family in FAMILIES))

        made.outer.kill()

        prefixes = [EXTERNAL.prefix(family) for family in FAMILIES]
        eventually("marked", lambda: all(_seen(made, peering, prefix) & STALE for prefix in prefixes))
        eventually("gone", lambda: not any(made.inner.routes(peering, prefix) for prefix in prefixes), limit=BRIEF + 10)


@pytest.mark.rfc("9494", "4.2")
@of_ours
def test_ours_are_their_last_resort_when_we_die_and_go_in_the_end(kind: Kind, tmp_path: Path, peering: Peering) -> None:
    with _running(kind, tmp_path, [peering]) as made:
        made.bgpd.kill()

        eventually("marked", lambda: _are_marked(made, peering))
        eventually(
            "gone",
            lambda: not any(made.of(peering).routes(peering, NETWORK[family]) for family in FAMILIES),
            limit=BRIEF + 10,
        )


@pytest.mark.rfc("9494", "4.2")
@of_ours
def test_ours_are_as_good_as_before_when_we_come_back_in_time(kind: Kind, tmp_path: Path, peering: Peering) -> None:
    peering = replace(peering, stale_time=LONG)
    with _running(kind, tmp_path, [peering]) as made:
        made.bgpd.kill()
        eventually("marked", lambda: _are_marked(made, peering))

        made.bgpd.start()

        made.wait_established([peering], limit=30)
        eventually("fresh", lambda: not any(_seen(made, peering, NETWORK[family]) & STALE for family in FAMILIES))


@pytest.mark.limitations
@of_theirs
def test_routes_of_who_has_no_long_lived_restart_go_when_the_restart_time_is_over(
    kind: Kind, tmp_path: Path, peering: Peering, record_property: Callable[[str, object], None]
) -> None:
    with _running(kind, tmp_path, [replace(peering, stale_time=LONG)]) as made:
        record_property("limitation", kind.limit(peering))
        record_property("evidence", made.of(peering).evidence(peering))
        made.of(peering).kill()

        eventually("gone", lambda: not made.bgpd.routes_in(peering.name))
        assert made.bgpd.kernel_route_or_none(peering.prefix("ipv4")) is None


@pytest.mark.limitations
@of_ours
def test_ours_go_at_who_has_no_long_lived_restart_when_the_restart_time_is_over(
    kind: Kind, tmp_path: Path, peering: Peering
) -> None:
    with _running(kind, tmp_path, [replace(peering, stale_time=LONG)]) as made:
        made.bgpd.kill()

        eventually("gone", lambda: not any(made.of(peering).routes(peering, NETWORK[family]) for family in FAMILIES))


def _is_last_resort(made: Meeting, peering: Peering, family: str) -> bool:
    row = made.bgpd.route_in(peering.name, peering.prefix(family))
    return row.is_stale and row.stale_until is not None and row.rejected == ""


def _ways(made: Meeting, peering: Peering) -> set[str]:
    return made.bgpd.kernel_route(peering.prefix("ipv4")).ways


def _are_marked(made: Meeting, peering: Peering) -> bool:
    return all(_seen(made, peering, NETWORK[family]) & STALE for family in FAMILIES)


def _seen(made: Meeting, peering: Peering, prefix: str) -> frozenset[str]:
    """Return the communities with which they have a route of ours."""
    found = made.of(peering).routes(peering, prefix)
    if not found:
        raise NotYet(f"they have no {prefix}")
    return found[0].communities


@contextmanager
def _fallback(made: Meeting, peering: Peering) -> Iterator[None]:
    """Have another peer announce the peering's IPv4 prefix with a longer path."""
    path = b"".join(asn.to_bytes(2, "big") for asn in (FALLBACK_ASN, 65090, 65091))
    attributes = [
        (WELL_KNOWN, 1, b"\0"),
        (WELL_KNOWN, 2, b"\x02\x03" + path),
        (WELL_KNOWN, 3, bytes(map(int, FALLBACK.split(".")))),
    ]
    there = made.there(peering)
    made.here.ip("address add 10.0.77.1/24 dev eth0")
    there.ip(f"address add {FALLBACK}/24 dev eth0")
    with ScriptedPeer(there, FALLBACK, "10.0.77.1", FALLBACK_ASN, FALLBACK) as fallback:
        fallback.announce(peering.prefix("ipv4"), attributes)
        eventually("the other route is here", lambda: made.bgpd.routes_in("fallback"))
        yield


@contextmanager
def _running(
    kind: Kind, directory: Path, peerings: tuple[Peering, ...] | list[Peering], extra: str = ""
) -> Iterator[Meeting]:
    """Have sessions with all routes where they belong."""
    with meeting(kind, directory, peerings, extra) as made:
        for internal in {peering.is_internal for peering in peerings}:
            (made.inner if internal else made.outer).start()
        made.bgpd.start()
        made.wait_established(peerings, limit=30)
        for peering in peerings:
            for family in FAMILIES:
                eventually("in our kernel", lambda: made.bgpd.kernel_route(peering.prefix(family)))  # noqa: B023
                eventually("in their table", lambda: made.of(peering).routes(peering, NETWORK[family]))  # noqa: B023
        yield made
