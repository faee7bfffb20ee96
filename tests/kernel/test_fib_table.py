"""What is wanted, what the kernel has, and the difference."""

from bgpd.addresses import parse_address, parse_prefix
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST
from bgpd.kernel.fib_table import FibTable
from bgpd.kernel.routes import FibRoute, Leg, RouteKind

A, B, C = (parse_prefix(f"10.{n}.0.0/16")[1] for n in (1, 2, 3))
ONE = FibRoute((Leg(parse_address("10.0.0.2"), 3),))
TWO = FibRoute((Leg(parse_address("10.0.0.3"), 3),))
HOLE = FibRoute((), RouteKind.BLACKHOLE)


def table() -> FibTable:
    return FibTable(IPV4_UNICAST, 254, 186)


def compare(subject: FibTable, found: dict[bytes, tuple[FibRoute, ...]]) -> None:
    for _ in subject.compare(found, 1):
        pass


def test_changes_are_taken_in_the_order_they_came() -> None:
    subject = table()
    subject.queue = {A: ONE, B: None, C: ONE}
    assert subject.take(2) == [(A, ONE), (B, None)]
    subject.queue[A] = TWO
    assert subject.take(5) == [(C, ONE), (A, TWO)]
    assert subject.take(5) == []


def test_a_prefix_is_known_while_a_route_of_ours_may_be_in_the_kernel_or_on_its_way() -> None:
    subject = table()
    assert not subject.knows(A)
    for place, route in ((subject.queue, ONE), (subject.wanted, ONE), (subject.actual, None), (subject.strays, ())):
        place[A] = route  # type: ignore[index]
        assert subject.knows(A)
        place.clear()  # type: ignore[attr-defined]
    assert not subject.knows(A)


def test_a_later_change_supersedes_one_that_is_given_back() -> None:
    subject = table()
    subject.queue = {A: ONE, B: ONE}
    taken = subject.take(2)
    subject.queue[A] = None
    subject.give_back(taken)
    assert subject.queue == {A: None, B: ONE}


def test_what_is_found_and_not_wanted_is_inherited() -> None:
    subject = table()
    compare(subject, {A: (ONE,), B: (ONE, HOLE)})
    assert subject.installed() == 2
    assert subject.unwanted() == [A, B]
    assert subject.queue == {}
    assert subject.strays == {B: (HOLE,)}


def test_what_is_wanted_and_not_found_is_queued() -> None:
    subject = table()
    subject.wanted = {A: ONE, B: ONE, C: ONE}
    compare(subject, {A: (ONE,), B: (TWO,)})
    assert subject.queue == {B: ONE, C: ONE}
    assert subject.routes() == {A: ONE, B: TWO}
    assert subject.installed() == 2


def test_a_second_route_of_ours_for_a_prefix_is_a_stray() -> None:
    subject = table()
    subject.wanted = {A: ONE}
    other = FibRoute(ONE.legs, metric=9)
    compare(subject, {A: (other, ONE)})
    assert subject.strays == {A: (other,)}
    assert subject.current(A) == ONE


def test_inheriting_wants_nothing_and_keeps_what_is_there() -> None:
    subject = table()
    subject.wanted = {A: ONE, B: ONE}
    subject.note(B, None)
    subject.inherit()
    assert subject.routes() == {A: ONE}
    assert subject.unwanted() == [A]


def test_a_deletion_of_a_wanted_route_leaves_it_missing() -> None:
    subject = table()
    subject.wanted = {A: ONE}
    assert subject.vanished(A, ONE)
    assert subject.current(A) is None


def test_the_deletion_of_another_route_in_the_same_place_changes_nothing() -> None:
    subject = table()
    subject.wanted = {A: ONE}
    assert not subject.vanished(A, TWO)
    assert subject.current(A) is ONE


def test_the_deletion_of_a_leg_leaves_the_rest_of_an_ipv6_route() -> None:
    subject = FibTable(IPV6_UNICAST, 254, 186)
    near, far = Leg(parse_address("fd00::2"), 3), Leg(parse_address("fd00::3"), 3)
    subject.wanted = {A: FibRoute((near, far))}
    assert subject.vanished(A, FibRoute((near,), metric=1024))
    assert subject.current(A) == FibRoute((far,))


def test_a_route_that_appears_as_it_is_wanted_is_nothing_new() -> None:
    subject = table()
    subject.wanted = {A: ONE}
    assert not subject.appeared(A, FibRoute(ONE.legs, metric=0))
    assert subject.appeared(A, TWO)
    assert subject.current(A) is TWO


def test_a_route_that_appears_with_another_metric_is_a_stray_until_it_goes() -> None:
    subject = table()
    subject.wanted = {A: ONE}
    stray = FibRoute(ONE.legs, metric=9)
    assert subject.appeared(A, stray)
    assert subject.strays == {A: (stray,)}
    assert not subject.vanished(A, stray)
    assert subject.strays == {}


def test_the_prefixes_over_a_device_are_found_in_both_parts() -> None:
    subject = table()
    other = FibRoute((Leg(b"", 4),))
    subject.wanted = {A: ONE, B: other}
    subject.actual = {C: TWO}
    found = subject.affected(lambda route: any(leg.device == 3 for leg in route.legs), is_possible=True)
    assert set(found) == {A, C}
