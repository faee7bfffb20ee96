"""The whole of it against a real kernel, in a network namespace."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count

import pytest

from bgpd.addresses import format_prefix, parse_address, parse_prefix
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.kernel import (
    FibRoute,
    Kernel,
    KernelError,
    KernelSettings,
    LearnedRun,
    LearnRule,
    Leg,
    LocalRoute,
    RouteKind,
)
from bgpd.kernel.netlink import NetlinkSocket
from bgpd.kernel.rtnetlink import RTM_GETROUTE
from tests.support.netns import Namespace

pytestmark = pytest.mark.netns

GATEWAY, OTHER = parse_address("10.0.0.2"), parse_address("10.0.0.3")
GATEWAY6, OTHER6 = parse_address("fd00::2"), parse_address("fd00::3")


class Recorder:
    """Takes what the kernel tells the speaker."""

    def __init__(self) -> None:
        self.learned: dict[str, LocalRoute] = {}
        self.topologies = 0
        self._changed = asyncio.Event()

    def learned_changed(self, runs: Sequence[LearnedRun]) -> None:
        for family, route, prefixes in runs:
            for text in (format_prefix(family, prefix) for prefix in prefixes):
                if route is None:
                    del self.learned[text]
                else:
                    self.learned[text] = route
        self._changed.set()

    def topology_changed(self) -> None:
        self.topologies += 1
        self._changed.set()


async def until(condition: Callable[[], bool], within: float = 5.0) -> None:
    """Wait for something that the real kernel or a timer brings about."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(settings: KernelSettings | None = None, user: Recorder | None = None) -> AsyncIterator[Kernel]:
    kernel = Kernel(settings or KernelSettings(), user or Recorder(), asyncio.get_running_loop())
    await kernel.start()
    await kernel.learn()
    try:
        yield kernel
    finally:
        await kernel.close()


def device(kernel: Kernel, name: str = "eth0") -> int:
    index = kernel.interface_index(name)
    assert index is not None
    return index


async def program(kernel: Kernel, routes: Mapping[str, FibRoute | None]) -> None:
    for text, route in routes.items():
        family, prefix = parse_prefix(text)
        kernel.program(family, {prefix: route})
    await kernel.flushed()


def shown(host: Namespace, text: str) -> str:
    """Return what ``ip route`` shows for a prefix, blanks single, lines joined."""
    family = "-6 " if ":" in text else ""
    return " ".join(host.ip(f"{family}route show {text}").split())


def failure_of(kernel: Kernel, text: str) -> str:
    found = kernel.failures.get(parse_prefix(text))
    return found.text if found else ""


# ---------------------------------------------------------------- what is there


async def test_links_and_addresses_are_known_after_start(host: Namespace) -> None:
    async with running() as kernel:
        link = kernel.links[device(kernel)]
        assert (link.name, link.is_up, link.has_carrier) == ("eth0", True, True)
        assert {a.address for a in kernel.addresses[link.index]} >= {
            parse_address("10.0.0.1"),
            parse_address("fd00::1"),
        }
        assert kernel.interface_index("eth9") is None
        assert kernel.interface_name(link.index) == "eth0"


async def test_routes_of_containers_are_learned_at_start_and_by_events(host: Namespace) -> None:
    host.ip("route add 10.65.0.7 dev cali1")
    host.ip("-6 route add fd00:65::7 dev cali1")
    host.ip("route add 10.99.0.0/16 via 10.0.0.2")
    user = Recorder()
    async with running(user=user) as kernel:
        assert user.learned.keys() == {"10.65.0.7/32", "fd00:65::7/128"}
        assert user.learned["10.65.0.7/32"].device_name == "cali1"
        host.ip("route add 10.65.0.8 dev cali1 proto static")
        await until(lambda: "10.65.0.8/32" in user.learned)
        host.ip("route del 10.65.0.7 dev cali1")
        host.ip("-6 route del fd00:65::7 dev cali1")
        await until(lambda: user.learned.keys() == {"10.65.0.8/32"})
        assert [(family, *learned) for family, learned in kernel.learned.items() if learned] == [
            parse_prefix("10.65.0.8/32")
        ]


async def test_the_lower_metric_is_learned_and_the_other_when_it_goes(host: Namespace) -> None:
    host.ip("route add 10.65.0.7 dev cali1 metric 100")
    user = Recorder()
    async with running(user=user):
        host.ip("route add 10.65.0.7 dev cali1 metric 10")
        await until(lambda: user.learned["10.65.0.7/32"].metric == 10)
        host.ip("route del 10.65.0.7 dev cali1 metric 10")
        await until(lambda: user.learned["10.65.0.7/32"].metric == 100)


async def test_a_link_that_goes_down_takes_its_learned_routes_along(host: Namespace) -> None:
    host.ip("route add 10.65.0.7 dev cali1")
    host.ip("-6 route add fd00:65::7 dev cali1")
    user = Recorder()
    async with running(user=user):
        host.ip("link set cali1 down")
        await until(lambda: not user.learned)


async def test_a_deleted_link_takes_its_learned_routes_along(host: Namespace) -> None:
    host.ip("route add 10.65.0.7 dev cali1")
    user = Recorder()
    async with running(user=user) as kernel:
        host.ip("link del cali1")
        await until(lambda: not user.learned)
        assert kernel.interface_index("cali1") is None


async def test_a_route_that_goes_while_others_are_learned_is_not_left_behind(host: Namespace) -> None:
    prefixes = [f"10.65.{n // 256}.{n % 256}/32" for n in range(5000)]
    host.ip_batch(f"route add {prefix} dev cali1" for prefix in prefixes)
    user = Recorder()
    kernel = Kernel(KernelSettings(), user, asyncio.get_running_loop())
    await kernel.start()
    try:
        learning = asyncio.ensure_future(kernel.learn())
        host.ip_batch(f"route del {prefix} dev cali1" for prefix in prefixes[::500])
        await learning
        await until(lambda: len(user.learned) == 4990)
        assert user.learned.keys() == set(prefixes) - set(prefixes[::500])
    finally:
        await kernel.close()


@pytest.mark.parametrize("is_read_again", [False, True])
async def test_nothing_is_written_before_all_is_learned(host: Namespace, is_read_again: bool) -> None:
    host.ip_batch(f"route add 10.65.{n // 256}.{n % 256}/32 dev cali1" for n in range(5000))
    user = Recorder()
    kernel = Kernel(KernelSettings(), user, asyncio.get_running_loop())
    await kernel.start()
    try:
        if is_read_again:
            kernel.resynchronise("a test")
            await until(lambda: kernel._watcher._resync is None)
        assert kernel.resyncs == is_read_again
        family, prefix = parse_prefix("10.1.0.0/24")
        kernel.program(family, {prefix: FibRoute((Leg(GATEWAY, device(kernel)),))})
        written: list[int] = []
        kernel.on_written.append(lambda _, prefixes: written.append(len(user.learned)))
        await kernel.learn()
        await kernel.flushed()
        assert written == [5000]
    finally:
        await kernel.close()


async def test_what_could_not_be_read_again_is_waited_for_although_all_is_learned(
    host: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bgpd.kernel.watcher._RETRY", 0.2)
    kernel = Kernel(KernelSettings(), Recorder(), asyncio.get_running_loop())
    await kernel.start()
    try:
        with monkeypatch.context() as broken:
            broken.setattr(
                "bgpd.kernel.watcher.links_request", lambda sequence: b"\x14\0\0\0\xff\x7f\x01\3" + bytes(12)
            )
            kernel.resynchronise("a test")
            await until(lambda: kernel._watcher._resync is None)
        await kernel.learn()
        family, prefix = parse_prefix("10.1.0.0/24")
        kernel.program(family, {prefix: FibRoute((Leg(GATEWAY, device(kernel)),))})
        read: list[int] = []
        kernel.on_written.append(lambda _, prefixes: read.append(kernel.resyncs))
        await kernel.flushed()
        assert read == [2]
    finally:
        await kernel.close()


async def test_a_renamed_link_is_judged_by_its_new_name(host: Namespace) -> None:
    host.ip("route add 10.65.0.7 dev cali1-peer")
    user = Recorder()
    async with running(KernelSettings(learn=(LearnRule(devices=("cali?",)),)), user):
        assert not user.learned
        host.ip("link set cali1-peer name cali2")  # Linux renames a link that is up since 6.2
        await until(lambda: "10.65.0.7/32" in user.learned)


async def test_changed_learn_rules_are_applied_to_what_is_there(host: Namespace) -> None:
    host.ip("route add 10.65.0.7 dev cali1")
    host.ip("route add 10.66.0.0/16 dev eth0 proto 80")
    user = Recorder()
    async with running(user=user) as kernel:
        kernel.apply_settings(KernelSettings(learn=(LearnRule(frozenset({80})),)))
        await until(lambda: user.learned.keys() == {"10.66.0.0/16"})
        with pytest.raises(ValueError, match="cannot change"):
            kernel.apply_settings(KernelSettings(protocol=99))


async def test_another_table_is_followed_when_a_rule_asks_for_it(host: Namespace) -> None:
    host.ip("route add 10.65.0.7 dev cali1 table 1000")
    user = Recorder()
    async with running(user=user) as kernel:
        assert not user.learned
        kernel.apply_settings(KernelSettings(learn=(LearnRule(table=1000),)))
        await until(lambda: "10.65.0.7/32" in user.learned)


async def test_lookups_follow_the_kernel_and_the_speaker_is_told(host: Namespace) -> None:
    user = Recorder()
    async with running(user=user) as kernel:
        assert kernel.lookup(parse_address("172.19.0.8")).why == "no route to 172.19.0.8"
        assert kernel.lookup(GATEWAY).is_reachable
        host.ip("route add 172.19.0.0/16 via 10.0.0.2 metric 7")
        await until(lambda: user.topologies > 0)
        found = kernel.lookup(parse_address("172.19.0.8"))
        assert (found.is_reachable, found.metric, found.gateway, found.device) == (True, 7, GATEWAY, device(kernel))
        host.ip("link set eth0 down")
        await until(lambda: not kernel.lookup(GATEWAY).is_reachable)


async def test_routes_that_no_next_hop_needs_are_not_told_as_topology(host: Namespace) -> None:
    user = Recorder()
    async with running(user=user) as kernel:
        kernel.lookup(GATEWAY)
        host.ip("route add 10.65.0.7 dev cali1")
        await until(lambda: "10.65.0.7/32" in user.learned)
        assert user.topologies == 0


async def test_routes_of_ours_do_not_resolve_next_hops(host: Namespace) -> None:
    async with running() as kernel:
        await program(kernel, {"172.19.0.0/16": FibRoute((Leg(GATEWAY, device(kernel)),))})
        assert not kernel.lookup(parse_address("172.19.0.8")).is_reachable


# ---------------------------------------------------------------- what we write


async def test_every_shape_of_route_is_written(host: Namespace) -> None:
    async with running() as kernel:
        eth0, cali1 = device(kernel), device(kernel, "cali1")
        routes: dict[str, tuple[FibRoute, str]] = {
            "default": (FibRoute((Leg(GATEWAY, eth0),)), "default via 10.0.0.2 dev eth0 proto bgp"),
            "10.1.0.0/24": (FibRoute((Leg(GATEWAY, eth0),)), "10.1.0.0/24 via 10.0.0.2 dev eth0 proto bgp"),
            "10.2.0.0/24": (
                FibRoute((Leg(GATEWAY, eth0), Leg(OTHER, eth0, weight=3))),
                "10.2.0.0/24 proto bgp nexthop via 10.0.0.2 dev eth0 weight 1 nexthop via 10.0.0.3 dev eth0 weight 3",
            ),
            "10.3.0.0/24": (FibRoute((), RouteKind.BLACKHOLE), "blackhole 10.3.0.0/24 proto bgp"),
            "10.4.0.0/24": (FibRoute((Leg(GATEWAY6, eth0),)), "10.4.0.0/24 via inet6 fd00::2 dev eth0 proto bgp"),
            "10.5.0.0/24": (
                FibRoute((Leg(parse_address("172.19.0.8"), cali1, is_onlink=True),)),
                "10.5.0.0/24 via 172.19.0.8 dev cali1 proto bgp onlink",
            ),
            "10.6.0.7": (FibRoute((Leg(b"", cali1),)), "10.6.0.7 dev cali1 proto bgp scope link"),
            "10.7.0.0/24": (
                FibRoute((Leg(GATEWAY, eth0),), source=parse_address("10.0.0.1"), metric=1024),
                "10.7.0.0/24 via 10.0.0.2 dev eth0 proto bgp src 10.0.0.1 metric 1024",
            ),
            "10.8.0.0/24": (
                FibRoute((Leg(GATEWAY, eth0), Leg(parse_address("172.19.0.8"), cali1, is_onlink=True))),
                "10.8.0.0/24 proto bgp nexthop via 10.0.0.2 dev eth0 weight 1"
                " nexthop via 172.19.0.8 dev cali1 weight 1 onlink",
            ),
            "fd01::/64": (FibRoute((Leg(GATEWAY6, eth0),)), "fd01::/64 via fd00::2 dev eth0 proto bgp metric 1024"),
            "fd02::/64": (
                FibRoute((Leg(GATEWAY6, eth0), Leg(OTHER6, eth0))),
                "fd02::/64 proto bgp metric 1024 pref medium nexthop via fd00::2 dev eth0 weight 1"
                " nexthop via fd00::3 dev eth0 weight 1",
            ),
            "fd03::/64": (FibRoute((), RouteKind.BLACKHOLE), "blackhole fd03::/64 dev lo proto bgp metric 1024"),
        }  # fmt: skip
        prefixes = {text: "0.0.0.0/0" if text == "default" else text for text in routes}
        await program(kernel, {prefixes[text]: route for text, (route, _) in routes.items()})
        assert not kernel.failures
        for text, (route, expected) in routes.items():
            assert shown(host, text).removesuffix(" pref medium") == expected
            assert kernel.route(*parse_prefix(prefixes[text])) == route
        assert (kernel.installed(IPV4_UNICAST), kernel.installed(IPV6_UNICAST)) == (9, 3)


async def test_what_was_written_is_understood_after_a_restart(host: Namespace) -> None:
    async with running() as kernel:
        eth0 = device(kernel)
        routes = {
            "10.1.0.0/24": FibRoute((Leg(OTHER, eth0, weight=2), Leg(GATEWAY, eth0))),
            "10.2.0.0/24": FibRoute((Leg(GATEWAY6, eth0),), metric=50),
            "fd01::/64": FibRoute((Leg(OTHER6, eth0), Leg(GATEWAY6, eth0))),
            "fd02::/64": FibRoute((), RouteKind.BLACKHOLE),
        }
        await program(kernel, routes)
    async with running() as kernel:
        await program(kernel, routes)
        assert kernel.stats.batches == 0
        assert kernel.sweep() == 0


async def test_a_change_replaces_the_route_and_none_deletes_it(host: Namespace) -> None:
    async with running() as kernel:
        eth0 = device(kernel)
        for family_text, first, second in (("10.1.0.0/24", GATEWAY, OTHER), ("fd01::/64", GATEWAY6, OTHER6)):
            await program(kernel, {family_text: FibRoute((Leg(first, eth0),))})
            await program(kernel, {family_text: FibRoute((Leg(first, eth0), Leg(second, eth0)))})
            assert shown(host, family_text).count("nexthop") == 2
            await program(kernel, {family_text: FibRoute((), RouteKind.BLACKHOLE)})
            assert shown(host, family_text).startswith("blackhole")
            await program(kernel, {family_text: FibRoute((Leg(second, eth0),))})
            assert shown(host, family_text).count("via") == 1
            await program(kernel, {family_text: None})
            assert shown(host, family_text) == ""
        assert kernel.stats.errors == 0
        assert not kernel.routes(IPV4_UNICAST)
        assert not kernel.routes(IPV6_UNICAST)


async def test_another_metric_moves_the_route(host: Namespace) -> None:
    async with running() as kernel:
        legs, legs6 = (Leg(GATEWAY, device(kernel)),), (Leg(GATEWAY6, device(kernel)),)
        for metrics in ((None, 100), (100, 50), (50, None)):
            for metric in metrics:
                await program(
                    kernel, {"10.1.0.0/24": FibRoute(legs, metric=metric), "fd01::/64": FibRoute(legs6, metric=metric)}
                )
            assert shown(host, "10.1.0.0/24").count("via") == 1
            assert shown(host, "fd01::/64").count("via") == 1
        assert "metric" not in shown(host, "10.1.0.0/24")


async def test_the_last_of_several_changes_counts(host: Namespace) -> None:
    async with running() as kernel:
        family, prefix = parse_prefix("10.1.0.0/24")
        kernel.program(family, {prefix: FibRoute((Leg(GATEWAY, device(kernel)),))})
        kernel.program(family, {prefix: None})
        await kernel.flushed()
        assert kernel.stats.batches == 0
        assert kernel.queued() == 0


async def test_written_prefixes_are_told(host: Namespace) -> None:
    async with running() as kernel:
        told: list[tuple[Family, list[bytes]]] = []
        kernel.on_written.append(lambda family, prefixes: told.append((family, list(prefixes))))
        bad = FibRoute((Leg(parse_address("10.77.0.1"), device(kernel)),))
        good = FibRoute((Leg(GATEWAY, device(kernel)),))
        await program(kernel, {"10.1.0.0/24": good, "10.2.0.0/24": bad})
        assert told == [(IPV4_UNICAST, [parse_prefix("10.1.0.0/24")[1]])]


async def test_a_refusal_is_mapped_to_its_route_with_the_kernels_text(host: Namespace) -> None:
    async with running() as kernel:
        eth0 = device(kernel)
        good = FibRoute((Leg(GATEWAY, eth0),))
        bad = FibRoute((Leg(parse_address("10.77.0.1"), eth0),))
        await program(kernel, {"10.1.0.0/24": good, "10.2.0.0/24": bad, "10.3.0.0/24": good})
        assert kernel.failures.keys() == {parse_prefix("10.2.0.0/24")}
        assert failure_of(kernel, "10.2.0.0/24") == "Network is unreachable: Nexthop has invalid gateway"
        assert kernel.installed(IPV4_UNICAST) == 2
        host.ip("address add 10.77.0.9/24 dev eth0")
        await until(lambda: not kernel.failures)
        assert "via 10.77.0.1" in shown(host, "10.2.0.0/24")


async def test_a_refused_change_takes_the_old_route_away(host: Namespace) -> None:
    async with running() as kernel:
        eth0 = device(kernel)
        await program(kernel, {"10.1.0.0/24": FibRoute((Leg(GATEWAY, eth0),))})
        await program(kernel, {"10.1.0.0/24": FibRoute((Leg(parse_address("10.77.0.1"), eth0),))})
        assert shown(host, "10.1.0.0/24") == ""
        assert kernel.installed(IPV4_UNICAST) == 0
        await program(kernel, {"10.1.0.0/24": FibRoute((Leg(OTHER, eth0),))})
        assert "via 10.0.0.3" in shown(host, "10.1.0.0/24")
        assert not kernel.failures


async def test_a_device_that_is_not_there_is_named(host: Namespace) -> None:
    async with running() as kernel:
        await program(kernel, {"10.1.0.0/24": FibRoute((Leg(GATEWAY, 4711),))})
        assert failure_of(kernel, "10.1.0.0/24") == "there is no interface with index 4711"


# ---------------------------------------------------------------- others' routes


@pytest.mark.parametrize(
    ("text", "gateway", "foreign"), [("10.1.0.0/24", GATEWAY, "10.0.0.3"), ("fd01::/64", GATEWAY6, "fd00::3")]
)
async def test_a_foreign_route_is_left_alone_and_followed_when_it_goes(
    host: Namespace, text: str, gateway: bytes, foreign: str
) -> None:
    host.ip(f"route add {text} via {foreign} proto static")
    async with running() as kernel:
        await program(kernel, {text: FibRoute((Leg(gateway, device(kernel)),))})
        assert f"via {foreign} dev eth0 proto static" in shown(host, text)
        assert failure_of(kernel, text).startswith("File exists")
        await program(kernel, {text: None})
        assert f"via {foreign} dev eth0 proto static" in shown(host, text)
        await program(kernel, {text: FibRoute((Leg(gateway, device(kernel)),))})
        host.ip(f"route del {text} via {foreign}")
        await until(lambda: "proto bgp" in shown(host, text))
        assert not kernel.failures


@pytest.mark.parametrize(
    ("text", "gateway", "foreign"), [("10.1.0.0/24", GATEWAY, "10.0.0.3"), ("fd01::/64", GATEWAY6, "fd00::3")]
)
async def test_a_foreign_route_that_replaces_ours_is_respected(
    host: Namespace, text: str, gateway: bytes, foreign: str
) -> None:
    async with running() as kernel:
        await program(kernel, {text: FibRoute((Leg(gateway, device(kernel)),))})
        host.ip(f"route replace {text} via {foreign} proto static")
        await until(lambda: failure_of(kernel, text).startswith("File exists"))
        assert f"via {foreign} dev eth0 proto static" in shown(host, text)
        host.ip(f"route del {text} via {foreign}")
        await until(lambda: "proto bgp" in shown(host, text))


async def test_a_foreign_route_beside_ours_is_not_hit_by_a_change(host: Namespace) -> None:
    async with running() as kernel:
        await program(kernel, {"10.1.0.0/24": FibRoute((Leg(GATEWAY, device(kernel)),))})
        host.ip("route prepend 10.1.0.0/24 via 10.0.0.3 proto static")
        await until(lambda: kernel.events > 0)
        await program(kernel, {"10.1.0.0/24": FibRoute((Leg(OTHER, device(kernel)),))})
        assert "via 10.0.0.3 dev eth0 proto static" in shown(host, "10.1.0.0/24")
        await program(kernel, {"10.1.0.0/24": None})
        assert shown(host, "10.1.0.0/24") == "10.1.0.0/24 via 10.0.0.3 dev eth0 proto static"


async def test_a_foreign_leg_that_joined_our_ipv6_route_stays(host: Namespace) -> None:
    async with running() as kernel:
        await program(kernel, {"fd01::/64": FibRoute((Leg(GATEWAY6, device(kernel)),))})
        host.ip("-6 route append fd01::/64 via fd00::3 proto static")
        await until(lambda: kernel.events > 0)
        await program(kernel, {"fd01::/64": None})
        assert "via fd00::3" in shown(host, "fd01::/64")
        assert "via fd00::2" not in shown(host, "fd01::/64")


# ---------------------------------------------------------------- ours, in others' hands


@pytest.mark.parametrize(("text", "gateway"), [("10.1.0.0/24", GATEWAY), ("fd01::/64", GATEWAY6)])
async def test_a_route_of_ours_that_somebody_deletes_is_put_back(host: Namespace, text: str, gateway: bytes) -> None:
    async with running() as kernel:
        await program(kernel, {text: FibRoute((Leg(gateway, device(kernel)),))})
        host.ip(f"route del {text}")
        await until(lambda: "proto bgp" in shown(host, text), within=0.9)
        assert kernel.stats.reinstalled == 1
        host.ip(f"route del {text}")
        await until(lambda: kernel.stats.reinstalled == 2)
        assert shown(host, text) == ""  # the second time it has to wait
        assert "another program" in failure_of(kernel, text)
        await until(lambda: "proto bgp" in shown(host, text))
        assert not kernel.failures


async def test_a_deleted_leg_of_an_ipv6_route_is_put_back(host: Namespace) -> None:
    async with running() as kernel:
        legs = (Leg(GATEWAY6, device(kernel)), Leg(OTHER6, device(kernel)))
        await program(kernel, {"fd01::/64": FibRoute(legs)})
        host.ip("-6 route del fd01::/64 via fd00::3")
        await until(lambda: shown(host, "fd01::/64").count("nexthop") == 2)


async def test_a_route_of_ours_that_somebody_changes_is_put_right(host: Namespace) -> None:
    async with running() as kernel:
        await program(kernel, {"10.1.0.0/24": FibRoute((Leg(GATEWAY, device(kernel)),))})
        host.ip("route replace 10.1.0.0/24 via 10.0.0.3 proto bgp")
        await until(lambda: "via 10.0.0.2" in shown(host, "10.1.0.0/24"))


async def test_routes_come_back_with_their_link(host: Namespace) -> None:
    async with running() as kernel:
        eth0 = device(kernel)
        routes = {
            "10.1.0.0/24": FibRoute((Leg(GATEWAY, eth0),)),
            "10.2.0.0/24": FibRoute((Leg(parse_address("172.19.0.8"), eth0, is_onlink=True),)),
            "fd01::/64": FibRoute((Leg(parse_address("fe80::2"), eth0),)),
            "10.3.0.0/24": FibRoute((), RouteKind.BLACKHOLE),
        }
        await program(kernel, routes)
        host.ip("link set eth0 down")
        await until(
            lambda: failure_of(kernel, "10.1.0.0/24") == failure_of(kernel, "fd01::/64") == "interface eth0 is down"
        )
        assert (kernel.installed(IPV4_UNICAST), kernel.installed(IPV6_UNICAST)) == (1, 0)
        host.ip("link set eth0 up")
        await until(lambda: not kernel.failures)
        for text in routes:
            assert "proto bgp" in shown(host, text)
        assert (kernel.installed(IPV4_UNICAST), kernel.installed(IPV6_UNICAST)) == (3, 1)


async def test_routes_come_back_after_the_last_ipv4_address_went(host: Namespace) -> None:
    async with running() as kernel:
        await program(kernel, {"10.1.0.0/24": FibRoute((Leg(GATEWAY, device(kernel)),))})
        host.ip("address del 10.0.0.1/24 dev eth0")
        await until(lambda: failure_of(kernel, "10.1.0.0/24") != "")
        host.ip("address add 10.0.0.1/24 dev eth0")
        await until(lambda: not kernel.failures)
        assert "proto bgp" in shown(host, "10.1.0.0/24")


async def test_a_route_comes_back_after_its_source_address_went(host: Namespace) -> None:
    host.ip("address add 10.0.9.1/32 dev eth0")
    async with running() as kernel:
        source = parse_address("10.0.9.1")
        await program(kernel, {"10.1.0.0/24": FibRoute((Leg(GATEWAY, device(kernel)),), source=source)})
        host.ip("address del 10.0.9.1/32 dev eth0")
        await until(lambda: failure_of(kernel, "10.1.0.0/24") != "")
        host.ip("address add 10.0.9.1/32 dev eth0")
        await until(lambda: not kernel.failures)
        assert "src 10.0.9.1" in shown(host, "10.1.0.0/24")


# ---------------------------------------------------------------- restart, sweep, flush


async def test_inherited_routes_stay_until_the_sweep_and_wanted_ones_after_it(host: Namespace) -> None:
    host.ip("route add 10.1.0.0/24 via 10.0.0.2 proto bgp")
    host.ip("route add 10.2.0.0/24 via 10.0.0.2 proto bgp")
    host.ip("route add 10.2.0.0/24 via 10.0.0.2 proto bgp metric 77")
    host.ip("route add 10.3.0.0/24 via 10.0.0.2 proto static")
    host.ip("-6 route add fd01::/64 via fd00::2 proto bgp")
    async with running() as kernel:
        assert (kernel.installed(IPV4_UNICAST), kernel.installed(IPV6_UNICAST)) == (2, 1)
        await program(kernel, {"10.2.0.0/24": FibRoute((Leg(OTHER, device(kernel)),))})
        assert "proto bgp" in shown(host, "10.1.0.0/24")
        assert kernel.sweep() == 2
        await kernel.flushed()
        assert shown(host, "10.1.0.0/24") == shown(host, "fd01::/64") == ""
        assert shown(host, "10.2.0.0/24") == "10.2.0.0/24 via 10.0.0.3 dev eth0 proto bgp"
        assert "proto static" in shown(host, "10.3.0.0/24")


async def test_after_the_sweep_a_route_under_our_protocol_that_we_did_not_write_is_removed(host: Namespace) -> None:
    async with running() as kernel:
        kernel.sweep()
        host.ip("route add 10.1.0.0/24 via 10.0.0.2 proto bgp")
        await until(lambda: shown(host, "10.1.0.0/24") == "")


async def test_beginning_a_sweep_makes_all_routes_inherited(host: Namespace) -> None:
    async with running() as kernel:
        route = FibRoute((Leg(GATEWAY, device(kernel)),))
        await program(kernel, {"10.1.0.0/24": route, "10.2.0.0/24": route})
        kernel.begin_sweep()
        await program(kernel, {"10.2.0.0/24": route})
        assert kernel.sweep() == 1
        await kernel.flushed()
        assert kernel.routes(IPV4_UNICAST) == {parse_prefix("10.2.0.0/24")[1]: route}


async def test_closing_leaves_routes_and_flushing_removes_only_ours(host: Namespace) -> None:
    host.ip("route add 10.3.0.0/24 via 10.0.0.2 proto static")
    async with running() as kernel:
        await program(kernel, {"10.1.0.0/24": FibRoute((Leg(GATEWAY, device(kernel)),))})
    assert "proto bgp" in shown(host, "10.1.0.0/24")
    async with running() as kernel:
        kernel.flush_all()
        await kernel.flushed()
    assert host.ip("route show proto bgp") == ""
    assert "proto static" in shown(host, "10.3.0.0/24")


async def test_a_table_of_our_own_is_used(host: Namespace) -> None:
    async with running(KernelSettings(table=1000, protocol=12)) as kernel:
        await program(kernel, {"10.1.0.0/24": FibRoute((Leg(GATEWAY, device(kernel)),))})
        assert "via 10.0.0.2 dev eth0 proto bird" in host.ip("route show table 1000")
        await program(kernel, {"10.1.0.0/24": None})
        assert kernel.stats.errors == 0
        assert kernel.lookup(GATEWAY).is_reachable


# ---------------------------------------------------------------- many, lost events, no permission


async def test_many_routes_are_written_changed_and_deleted(host: Namespace) -> None:
    async with running() as kernel:
        prefixes = [b"\x20" + (0x14000000 + n).to_bytes(4) for n in range(5000)]
        for gateway in (GATEWAY, OTHER):
            kernel.program(IPV4_UNICAST, dict.fromkeys(prefixes, FibRoute((Leg(gateway, device(kernel)),))))
            await kernel.flushed()
            assert len(host.ip("route show proto bgp").splitlines()) == 5000
        kernel.program(IPV4_UNICAST, dict.fromkeys(prefixes))
        await kernel.flushed()
        assert host.ip("route show proto bgp") == ""
        assert kernel.events < 100  # the kernel does not tell us of our own doing


async def test_a_batch_in_which_everything_is_refused_is_understood(host: Namespace) -> None:
    async with running() as kernel:
        bad = FibRoute((Leg(parse_address("10.77.0.1"), device(kernel)),))
        prefixes = [b"\x20" + (0x14000000 + n).to_bytes(4) for n in range(600)]
        kernel.program(IPV4_UNICAST, dict.fromkeys(prefixes, bad))
        await kernel.flushed()
        assert len(kernel.failures) == 600
        assert kernel.resyncs == 0


async def test_lost_events_are_made_good_by_reading_everything(
    host: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bgpd.kernel.netlink.SO_RCVBUFFORCE", 8)  # SO_RCVBUF, which has a smaller limit
    monkeypatch.setattr("bgpd.kernel.netlink.RECEIVE_BUFFER", 4096)
    user = Recorder()
    async with running(user=user) as kernel:
        await program(kernel, {"10.1.0.0/24": FibRoute((Leg(GATEWAY, device(kernel)),))})
        containers = [f"10.66.{n >> 8}.{n & 255}" for n in range(1000)]
        host.ip_batch([*(f"route add {address} dev cali1" for address in containers), "route del 10.1.0.0/24"])
        await until(lambda: len(user.learned) == 1000 and "proto bgp" in shown(host, "10.1.0.0/24"))
        assert kernel.resyncs > 0
        host.ip_batch(f"route del {address} dev cali1" for address in containers)
        await until(lambda: not user.learned)


async def test_lost_acknowledgements_are_made_good_by_smaller_batches(
    host: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bgpd.kernel.netlink.SO_RCVBUFFORCE", 8)
    monkeypatch.setattr("bgpd.kernel.netlink.RECEIVE_BUFFER", 16384)
    async with running() as kernel:
        good = FibRoute((Leg(GATEWAY, device(kernel)),))
        bad = FibRoute((Leg(parse_address("10.77.0.1"), device(kernel)),))
        prefixes = [b"\x20" + (0x14000000 + n).to_bytes(4) for n in range(300)]
        kernel.program(IPV4_UNICAST, {prefix: good if prefix[-1] % 16 == 0 else bad for prefix in prefixes})
        await until(lambda: kernel.installed(IPV4_UNICAST) == 19 and len(kernel.failures) == 281)
        assert kernel.resyncs > 0
        assert len(host.ip("route show proto bgp").splitlines()) == 19


async def test_a_resynchronisation_that_fails_is_tried_again(host: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bgpd.kernel.watcher._RETRY", 0.01)
    user = Recorder()
    async with running(user=user) as kernel:
        with monkeypatch.context() as broken:
            broken.setattr(
                "bgpd.kernel.watcher.links_request", lambda sequence: b"\x14\0\0\0\xff\x7f\x01\3" + bytes(12)
            )
            kernel.resynchronise("a test")
            await until(lambda: kernel.resyncs > 2)
        host.ip("route add 10.65.0.7 dev cali1")
        await until(lambda: "10.65.0.7/32" in user.learned)


async def test_what_changes_under_each_dump_is_used_and_read_again(
    host: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bgpd.kernel.watcher._READ_AGAIN", 0.01)
    host.ip("route add 10.65.0.7 dev cali1")
    dump, is_torn = NetlinkSocket.dump, True

    async def torn_dump(
        socket: NetlinkSocket, loop: asyncio.AbstractEventLoop, request: bytes, read: Callable[[bytes], None]
    ) -> bool:
        is_of_routes = int.from_bytes(request[4:6], sys.byteorder) == RTM_GETROUTE
        return await dump(socket, loop, request, (lambda _: None) if is_torn and is_of_routes else read) and not is_torn

    monkeypatch.setattr(NetlinkSocket, "dump", torn_dump)
    user = Recorder()
    async with running(user=user) as kernel:
        assert not user.learned
        await until(lambda: kernel.resyncs > 1)
        is_torn = False
        await until(lambda: user.learned.keys() == {"10.65.0.7/32"})


async def test_a_route_that_nobody_is_known_for_is_found_out_about(host: Namespace) -> None:
    async with running() as kernel:
        family, prefix = parse_prefix("10.1.0.0/24")
        route = FibRoute((Leg(GATEWAY, device(kernel)),))
        await program(kernel, {"10.1.0.0/24": route})
        kernel._fib._tables[family].note(prefix, None)  # as if we had lost track of it
        kernel.program(family, {prefix: route})
        await until(lambda: kernel.resyncs == 1 and not kernel.failures)
        assert kernel.route(family, prefix) == route


async def test_routes_go_on_being_written_while_others_churn(host: Namespace) -> None:
    async with running() as kernel:
        numbers = count()
        route = FibRoute((Leg(GATEWAY, device(kernel)),))
        for _ in range(5):
            host.ip_batch(f"route add 10.66.0.{n} dev cali1" for n in range(1, 100))
            prefixes = [b"\x20" + (0x14000000 + next(numbers)).to_bytes(4) for _ in range(500)]
            kernel.program(IPV4_UNICAST, dict.fromkeys(prefixes, route))
            host.ip_batch(f"route del 10.66.0.{n} dev cali1" for n in range(1, 100))
            await kernel.flushed()
        assert kernel.installed(IPV4_UNICAST) == len(host.ip("route show proto bgp").splitlines()) == 2500
        await until(lambda: not any(kernel.learned.values()))


_UNPRIVILEGED = """
import asyncio, os, sys
from bgpd.kernel import Kernel, KernelError, KernelSettings
os.setuid(65534)
class Nobody:
    def learned_changed(self, runs): pass
    def topology_changed(self): pass
async def main():
    await Kernel(KernelSettings(), Nobody(), asyncio.get_running_loop()).start()
try:
    asyncio.run(main())
except KernelError as error:
    sys.exit(str(error))
"""


def test_without_the_privilege_the_error_says_what_to_do(host: Namespace) -> None:
    done = subprocess.run([sys.executable, "-c", _UNPRIVILEGED], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "not permitted to write routes: CAP_NET_ADMIN is needed" in done.stderr


_IN_USER_NAMESPACE = """
import asyncio, subprocess
from bgpd.addresses import parse_address, parse_prefix
from bgpd.kernel import FibRoute, Kernel, KernelSettings, Leg
class Nobody:
    def learned_changed(self, runs): pass
    def topology_changed(self): pass
for line in (
    "link add one type veth peer name two",
    "link set one up",
    "link set two up",
    "address add 10.0.0.1/24 dev one",
):
    subprocess.run(["ip", *line.split()], check=True)
async def main():
    kernel = Kernel(KernelSettings(), Nobody(), asyncio.get_running_loop())
    await kernel.start()
    await kernel.learn()
    family, prefix = parse_prefix("10.1.0.0/24")
    kernel.program(family, {prefix: FibRoute((Leg(parse_address("10.0.0.2"), kernel.interface_index("one")),))})
    await kernel.flushed()
    await kernel.close()
    print(subprocess.run(["ip", "route", "show", "10.1.0.0/24"], check=True, capture_output=True, text=True).stdout)
asyncio.run(main())
"""


def test_the_root_of_a_user_namespace_is_enough() -> None:
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", _IN_USER_NAMESPACE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "via 10.0.0.2 dev one proto bgp" in done.stdout, done.stderr


async def test_a_kernel_that_cannot_start_leaves_nothing_open(host: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bgpd.kernel.watcher._GROUPS", (99_999,))
    kernel = Kernel(KernelSettings(), Recorder(), asyncio.get_running_loop())
    with pytest.raises(KernelError, match="cannot set up a netlink socket"):
        await kernel.start()
