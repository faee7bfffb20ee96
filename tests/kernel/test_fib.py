"""The writer of routes against a kernel in memory: whatever happens, what is wanted and can be written is there."""

import asyncio
from collections.abc import Iterator
from errno import EEXIST, ENETDOWN, ENETUNREACH, ESRCH
from struct import Struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgpd.addresses import parse_address, parse_prefix
from bgpd.families import IPV4_UNICAST, Family
from bgpd.kernel.fib import Fib
from bgpd.kernel.netlink import Overrun, Refusal
from bgpd.kernel.reading import RouteMessage, RouteReader
from bgpd.kernel.routes import FibRoute, Leg, RouteBody, RouteKind, fib_route, is_written, metric_of
from bgpd.kernel.rtnetlink import NLM_F_EXCL, RT_TABLE_MAIN, RTM_DELROUTE, RTM_NEWROUTE
from bgpd.kernel.settings import KernelSettings
from tests.support.virtual_loop import VirtualLoop

SETTINGS = KernelSettings()
PREFIXES = [parse_prefix(f"10.65.{number}.0/26")[1] for number in range(4)]
GATEWAYS = [parse_address("172.18.0.1"), parse_address("172.18.0.2")]
DEVICES = (2, 3)
ROUTES = [
    FibRoute((Leg(GATEWAYS[0], 2),)),
    FibRoute((Leg(GATEWAYS[1], 3),)),
    FibRoute((Leg(GATEWAYS[0], 2), Leg(GATEWAYS[1], 3))),
    FibRoute((Leg(GATEWAYS[0], 2),), metric=7),
    FibRoute((), RouteKind.BLACKHOLE),
]
_HEADER = Struct("=IHHII")
_LONG = 100.0  # seconds, longer than any pause between two attempts


class KernelInMemory:
    """An IPv4 routing table, and what its watcher tells the writer. A place is a prefix with a metric.

    ours, foreign: by place. unreachable: gateways that the kernel refuses. down: devices. overruns: how many
    acknowledgements will be lost.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        self.ours: dict[tuple[bytes, int], FibRoute] = {}
        self.foreign: set[tuple[bytes, int]] = set()
        self.unreachable: set[bytes] = set()
        self.down: set[int] = set()
        self.overruns = 0
        self.fib = Fib(SETTINGS, loop)
        self.fib.start(self, self)  # type: ignore[arg-type]  # the only thing asked of the socket is ``exchange``
        self._loop = loop
        self._reader = RouteReader(frozenset({RT_TABLE_MAIN}))
        self._reading: asyncio.Task[None] | None = None

    # what the writer sends

    def exchange(self, datagram: bytes, last: int) -> dict[int, Refusal]:
        refusals: dict[int, Refusal] = {}
        position = 0
        while True:
            length, _, _, sequence, _ = _HEADER.unpack_from(datagram, position)
            if sequence == last:
                break
            ((kind, flags, prefix, body),) = self._reader.read(datagram[position : position + length])
            errno = self._write(flags, prefix, body) if kind == RTM_NEWROUTE else self._delete(prefix, body)
            if errno:
                refusals[sequence] = Refusal(errno, "refused")
            position += length
        if self.overruns:
            self.overruns -= 1
            raise Overrun
        return refusals

    def _write(self, flags: int, prefix: bytes, body: RouteBody) -> int:
        place, route = (prefix, body.metric), fib_route(body)
        if flags & NLM_F_EXCL and (place in self.ours or place in self.foreign):
            return EEXIST
        assert place not in self.foreign, "a foreign route would be overwritten"
        if any(leg.device in self.down for leg in route.legs):
            return ENETDOWN
        if any(leg.gateway in self.unreachable for leg in route.legs):
            return ENETUNREACH
        self.ours[place] = route
        return 0

    def _delete(self, prefix: bytes, body: RouteBody) -> int:
        return 0 if self.ours.pop((prefix, body.metric), None) else ESRCH

    # what the writer asks (see fib.Surroundings)

    def has_foreign(self, family: Family, prefix: bytes, metric: int) -> bool:
        return family is IPV4_UNICAST and (prefix, metric) in self.foreign

    def is_up(self, device: int) -> bool:
        return device not in self.down

    def why_down(self, device: int) -> str:
        return f"device {device} is down"

    def catch_up(self) -> None:
        """Everything is told at once."""

    def resynchronise(self, why: str) -> None:
        if self._reading is None:
            self.fib.pause()
            self._reading = self._loop.create_task(self._read_again())

    async def _read_again(self) -> None:
        await asyncio.sleep(0.05)
        messages = [self._message(RTM_NEWROUTE, *entry) for entry in self.ours.items()]
        await self.fib.resynchronised([(body, [prefix]) for _, _, prefix, body in messages])
        self.fib.resume()
        self._reading = None

    @staticmethod
    def _message(kind: int, place: tuple[bytes, int], route: FibRoute) -> RouteMessage:
        body = RouteBody(
            IPV4_UNICAST,
            RT_TABLE_MAIN,
            SETTINGS.protocol,
            kind=int(route.kind),
            metric=place[1],
            legs=route.legs,
        )
        return kind, 0, place[0], body

    # what happens to it

    def finish_reading(self) -> None:
        self._loop.run_until(lambda: self._reading is None, within=10)

    def foreign_comes(self, prefix: bytes) -> None:
        """Somebody's route comes, in place of ours if that is there."""
        place = (prefix, 0)
        self.foreign.add(place)
        if self.ours.pop(place, None):
            self.fib.place_taken(IPV4_UNICAST, *place)

    def foreign_goes(self, prefix: bytes) -> None:
        if (prefix, 0) in self.foreign:
            self.foreign.remove((prefix, 0))
            self.fib.place_freed(IPV4_UNICAST, prefix)

    def deleted(self, prefix: bytes) -> None:
        """Somebody deletes a route of ours."""
        for place in [place for place in self.ours if place[0] == prefix]:
            self.fib.seen(self._message(RTM_DELROUTE, place, self.ours.pop(place)))

    def changed(self, prefix: bytes) -> None:
        """Somebody writes another route in our name."""
        place = (prefix, 0)
        if place not in self.foreign:
            self.ours[place] = FibRoute((Leg(parse_address("172.18.0.9"), 2),))
            self.fib.seen(self._message(RTM_NEWROUTE, place, self.ours[place]))

    def goes_down(self, device: int) -> None:
        self.down.add(device)
        for place, route in list(self.ours.items()):
            devices = {leg.device for leg in route.legs}
            if device in devices and devices <= self.down:
                del self.ours[place]
        self.fib.device_lost(IPV4_UNICAST, device)

    def comes_up(self, device: int) -> None:
        self.down.discard(device)
        self.fib.links_changed()

    def refuses(self, gateway: bytes) -> None:
        self.unreachable.add(gateway)

    def accepts(self, gateway: bytes) -> None:
        self.unreachable.discard(gateway)

    def is_possible(self, prefix: bytes, route: FibRoute) -> bool:
        """Can the route be written as things are?"""
        return not (
            (prefix, metric_of(IPV4_UNICAST, route)) in self.foreign
            or any(leg.device in self.down or leg.gateway in self.unreachable for leg in route.legs)
        )


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    yield loop
    loop.close()


several = st.lists(st.sampled_from(PREFIXES), min_size=1, max_size=4, unique=True)
one = st.sampled_from(PREFIXES)
own_doings = st.one_of(
    st.tuples(st.just("program"), st.dictionaries(one, st.sampled_from([*ROUTES, None]), min_size=1)),
    st.tuples(
        st.just("program"), several.flatmap(lambda p: st.sampled_from(ROUTES).map(lambda r: dict.fromkeys(p, r)))
    ),
    st.tuples(st.just("program"), several.map(dict.fromkeys)),
    st.tuples(st.just("pass"), st.sampled_from([0, 0, 0.1, 2.0])),
    st.tuples(st.sampled_from(["overrun", "read"]), st.just(0)),
)
happenings = st.one_of(
    own_doings,
    own_doings,
    st.tuples(st.sampled_from(["foreign_comes", "foreign_goes", "deleted", "changed"]), one),
    st.tuples(st.sampled_from(["goes_down", "comes_up"]), st.sampled_from(DEVICES)),
    st.tuples(st.sampled_from(["refuses", "accepts"]), st.sampled_from(GATEWAYS)),
)


def _carry_out(
    kernel: KernelInMemory, loop: VirtualLoop, script: list[tuple[str, object]]
) -> dict[bytes, FibRoute | None]:
    """Let everything happen, and settle; return what was asked for last."""
    asked: dict[bytes, FibRoute | None] = {}
    for what, which in script:
        match what, which:
            case "program", dict():
                kernel.fib.program(IPV4_UNICAST, which)
                asked.update(which)
            case "pass", float() | int():
                loop.run_for(which)
            case "overrun", _:
                kernel.overruns = 1
            case "read", _:
                kernel.resynchronise("a whim")
            case _:
                kernel.finish_reading()
                getattr(kernel, what)(which)
    kernel.overruns = 0
    loop.run_for(_LONG)
    assert kernel.fib.queued() == 0
    return asked


@settings(max_examples=200, deadline=None)
@given(st.lists(happenings, max_size=30))
def test_whatever_happens_the_kernel_ends_up_with_what_is_wanted_and_possible(script: list[tuple[str, object]]) -> None:
    loop = VirtualLoop()
    kernel = KernelInMemory(loop)
    fib = kernel.fib
    kernel.resynchronise("start")
    fib.sweep()
    asked = _carry_out(kernel, loop, script)
    expected = {prefix: route for prefix, route in asked.items() if route is not None}
    found = {prefix: route for (prefix, _), route in kernel.ours.items()}
    assert len(found) == len(kernel.ours)
    assert fib.routes(IPV4_UNICAST).keys() == found.keys()
    assert fib.installed(IPV4_UNICAST) == len(found)
    possible = {prefix for prefix, route in expected.items() if kernel.is_possible(prefix, route)}
    assert expected.keys() >= found.keys() >= possible  # what was written before it became impossible may stay
    for prefix, route in found.items():
        assert is_written(IPV4_UNICAST, route, expected[prefix])
    assert {prefix for _, prefix in fib.failures} == expected.keys() - found.keys()
    fib.close()
    loop.close()


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(one, st.sampled_from(ROUTES)), st.lists(own_doings, max_size=20))
def test_inherited_routes_stay_until_they_are_programmed_or_swept(
    inherited: dict[bytes, FibRoute], script: list[tuple[str, object]]
) -> None:
    loop = VirtualLoop()
    kernel = KernelInMemory(loop)
    kernel.ours = {(prefix, metric_of(IPV4_UNICAST, route)): route for prefix, route in inherited.items()}
    kernel.resynchronise("start")
    asked = _carry_out(kernel, loop, script)
    gone = {prefix for prefix, route in asked.items() if route is None}
    assert {prefix for prefix, _ in kernel.ours} == (inherited.keys() | asked.keys()) - gone
    kernel.fib.sweep()
    loop.run_for(1)
    assert {prefix for prefix, _ in kernel.ours} == asked.keys() - gone
    kernel.fib.close()
    loop.close()


def test_an_inherited_route_that_is_not_wanted_goes_even_if_that_is_said_before_the_kernel_was_read(
    loop: VirtualLoop,
) -> None:
    kernel = KernelInMemory(loop)
    kernel.ours = {(prefix, 0): ROUTES[0] for prefix in PREFIXES[:2]}
    kernel.resynchronise("start")
    kernel.fib.program(IPV4_UNICAST, {PREFIXES[0]: None})
    loop.run_for(1)
    assert kernel.ours == {(PREFIXES[1], 0): ROUTES[0]}
    kernel.fib.close()
