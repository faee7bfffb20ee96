"""One side dies and comes back while traffic flows: no ping is lost, no route leaves the kernel or their table.

RFC 4724 sections 3 and 4.
"""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from conformance.interop.daemon import Daemon
from conformance.interop.meeting import Meeting, meeting
from conformance.interop.peer_daemon import Kind
from conformance.interop.peering import FAMILIES, Option, Peering
from conformance.interop.plan import NETWORK, Dialling
from conformance.interop.waiting import eventually, watched

pytestmark = [pytest.mark.interop, pytest.mark.netns]

GRACEFUL: Final = frozenset({Option.GRACEFUL_RESTART})
OURS: Final = tuple(
    # We dial: OpenBGPD 7.7 that is called while it calls sends its OPEN twice, which ends the session with an error
    Peering(number, f"{name}, we restart", is_internal, Dialling.WE, "ipv4", FAMILIES, GRACEFUL)
    for number, name, is_internal in ((71, "iBGP", True), (72, "eBGP", False))
)
THEIRS: Final = tuple(
    Peering(  # they dial: GoBGP is given its routes only when it runs
        number, f"{name}, they restart", is_internal, Dialling.THEY, "ipv4", FAMILIES, GRACEFUL | {Option.THEIR_RESTART}
    )
    for number, name, is_internal in ((73, "iBGP", True), (74, "eBGP", False))
)


@pytest.mark.parametrize("end", [Daemon.kill, Daemon.stop], ids=["killed", "stopped"])
def test_bgpd_restarts_and_nothing_is_lost(kind: Kind, tmp_path: Path, end: Callable[[Daemon], None]) -> None:
    with _running(kind, tmp_path, OURS) as made:

        def has_ours() -> bool:
            return not kind.has_table or all(
                made.of(one).routes(one, NETWORK[family]) for one in OURS for family in FAMILIES
            )

        with made.watch_kernel() as kernel, watched(has_ours) as lost, _traffic(made, OURS):
            end(made.bgpd)
            made.bgpd.start()
            made.wait_established(OURS, limit=30)
            eventually("theirs are fresh", lambda: _is_fresh(made, OURS))
        assert not lost.is_set()
        for peering in OURS:
            for family in FAMILIES:
                assert kernel.deletions(peering.prefix(family)) == []


@pytest.mark.parametrize("peering", THEIRS, ids=lambda peering: peering.name)
def test_the_other_daemon_restarts_and_our_kernel_keeps_its_routes(
    kind: Kind, tmp_path: Path, peering: Peering
) -> None:
    with _running(kind, tmp_path, [peering]) as made:
        other = made.of(peering)

        with made.watch_kernel() as kernel, _traffic(made, [peering]):
            other.kill()
            eventually("the loss is noticed", lambda: not made.bgpd.peers()[peering.name].is_up)
            assert all(row.is_stale for row in made.bgpd.routes_in(peering.name))
            other.recover()
            made.wait_established([peering], limit=30)
            eventually("its routes are fresh", lambda: _is_fresh(made, [peering]))
            eventually("it has ours", lambda: all(other.routes(peering, NETWORK[family]) for family in FAMILIES))
        for family in FAMILIES:
            assert kernel.deletions(peering.prefix(family)) == []


@pytest.mark.limitations
@pytest.mark.parametrize("peering", THEIRS, ids=lambda peering: peering.name)
def test_routes_of_who_does_not_restart_gracefully_go_and_come_back(
    kind: Kind, tmp_path: Path, peering: Peering, record_property: Callable[[str, object], None]
) -> None:
    with _running(kind, tmp_path, [peering]) as made:
        offered = made.bgpd.peer(peering.name).negotiated["graceful restart"]
        record_property("limitation", kind.limit(peering))
        record_property("evidence", f"the capability of its OPEN as `bgpctl peer` shows it: {offered}")

        made.of(peering).kill()
        eventually("gone", lambda: not made.bgpd.kernel_route_or_none(peering.prefix("ipv4")))
        made.of(peering).recover()

        made.wait_established([peering], limit=30)
        eventually("back", lambda: made.bgpd.kernel_route(peering.prefix("ipv4")))


def _is_fresh(made: Meeting, peerings: tuple[Peering, ...] | list[Peering]) -> bool:
    return all(
        made.bgpd.kernel_route(peering.prefix(family))
        and not any(row.is_stale for row in made.bgpd.routes_in(peering.name))
        for peering in peerings
        for family in FAMILIES
    )


@contextmanager
def _running(kind: Kind, directory: Path, peerings: tuple[Peering, ...] | list[Peering]) -> Iterator[Meeting]:
    """Have sessions with all routes where they belong."""
    with meeting(kind, directory, peerings) as made:
        for internal in {peering.is_internal for peering in peerings}:
            (made.inner if internal else made.outer).start()
        made.bgpd.start()
        made.wait_established(peerings, limit=30)
        eventually("theirs in our kernel", lambda: _is_fresh(made, peerings))
        eventually(
            "ours in their table",
            lambda: all(made.of(one).routes(one, NETWORK[family]) for one in peerings for family in FAMILIES),
        )
        yield made


@contextmanager
def _traffic(made: Meeting, peerings: tuple[Peering, ...] | list[Peering]) -> Iterator[None]:
    """Ping an address behind each session, 20 times a second, for the length of a with statement: all must answer."""
    pings: list[subprocess.Popen[str]] = []
    with made.here.entered():
        for peering in peerings:
            for family in FAMILIES:
                source, target = peering.our_address(family), peering.inside(family)
                command = ["ping", "-n", "-q", "-i", "0.05", "-I", source, target]
                pings.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    answers: list[str] = []
    try:
        yield
    finally:
        for ping in pings:
            ping.send_signal(2)  # SIGINT: it prints its sums
            answers.append(ping.communicate()[0])
    for answer in answers:
        found = re.search(r"(\d+) packets transmitted, (\d+) received", answer)
        assert found is not None, answer
        # the last one may have been on its way when the ping was ended
        assert int(found[2]) >= int(found[1]) - 1 > 0, answer
