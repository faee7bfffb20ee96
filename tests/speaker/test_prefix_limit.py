"""Maximum prefixes: warning, closing, coming back, and what an operator does about it."""

import pytest

from bgpd.addresses import parse_address
from bgpd.errors import Cease, CeaseSubcode
from bgpd.fsm.states import State
from bgpd.messages.attributes.spec import tlv
from bgpd.messages.framing import Framer, MessageType, frame
from bgpd.session.connection import Inbox
from tests.support.cluster import Cluster, address, cluster, network, peer
from tests.support.wire import AS_PATH, LOCAL_PREF, MED, ORIGIN, ROUTE, body


def networks(count: int) -> str:
    return "".join(network(f"10.65.{number}.0/24") for number in range(count))


def limited(made: Cluster, options: str, count: int, *, more: str = "") -> None:
    made.start(1, peer(2, max_prefixes=options))
    made.start(2, peer(1) + networks(count) + more)


@pytest.mark.rfc("4486", "4")
def test_one_too_many_closes_the_session_and_says_which_family_and_limit() -> None:
    with cluster() as made:
        limited(made, "{ limit = 3, restart_after = 100 }", 4)
        made.run(10)
        session, other = made.peer(1, 2).session, made.peer(2, 1).session
        assert not session.is_established
        why = "4 ipv4-unicast prefixes, the limit is 3"
        assert session.last_error == f"Sent: Cease/Hard Reset (Cease/Maximum Prefixes Reached): {why}"
        assert other.flaps == 1
        assert session.resting == "too many prefixes: 4 ipv4-unicast prefixes, the limit is 3"


@pytest.mark.rfc("4486", "4")
def test_session_comes_back_after_its_time_and_closes_again_while_there_are_too_many() -> None:
    with cluster() as made:
        limited(made, "{ limit = 3, restart_after = 100 }", 4)
        made.run(5)
        session = made.peer(1, 2).session
        for flaps in (1, 2, 3):
            assert (session.flaps, session.state) == (flaps, State.IDLE)
            assert session.rests_until is not None
            made.loop.run_for(session.rests_until - made.loop.time() - 1)
            assert (session.flaps, session.state) == (flaps, State.IDLE)
            made.run(35)
        made.speakers[2].reload(made.config(2, peer(1) + networks(3)))
        made.run(140)
        assert session.is_established
        assert (session.resting, session.rests_until) == ("", None)


def test_session_stays_down_until_it_is_started() -> None:
    with cluster() as made:
        limited(made, "{ limit = 3, restart_after = 0 }", 4)
        made.run(3600)
        session = made.peer(1, 2).session
        assert (session.flaps, session.state, session.rests_until) == (1, State.IDLE, None)
        made.speakers[2].reload(made.config(2, peer(1) + networks(3)))
        session.start()
        made.run(60)
        assert session.is_established


def test_disabled_peer_does_not_come_back_by_itself() -> None:
    with cluster() as made:
        limited(made, "{ limit = 3, restart_after = 100 }", 4)
        made.run(5)
        session = made.peer(1, 2).session
        session.stop(None)
        made.run(1000)
        assert (session.flaps, session.state) == (1, State.IDLE)
        assert not session.is_started


def test_higher_limit_brings_the_session_back_at_once_and_a_lower_one_closes_it() -> None:
    with cluster() as made:
        limited(made, "{ limit = 3, restart_after = 0 }", 4)
        made.run(5)
        speaker, session = made.speakers[1], made.peer(1, 2).session
        speaker.reload(made.config(1, peer(2, max_prefixes="{ limit = 4, restart_after = 0 }")))
        made.run(40)
        assert session.is_established
        speaker.reload(made.config(1, peer(2, max_prefixes="{ limit = 2, restart_after = 0 }")))
        made.run(0.005)
        assert session.resting == "too many prefixes: 4 ipv4-unicast prefixes, the limit is 2"
        assert made.peer(2, 1).session.received_error == "Received: Cease/Hard Reset (Cease/Maximum Prefixes Reached)"


def test_removed_peer_does_not_come_back() -> None:
    with cluster() as made:
        limited(made, "{ limit = 3, restart_after = 100 }", 4)
        made.run(5)
        session = made.peer(1, 2).session
        made.speakers[1].reload(made.config(1, ""))
        made.run(1000)
        assert session.state is State.IDLE


def test_limit_that_only_warns_keeps_all_routes() -> None:
    with cluster() as made:
        limited(made, '{ limit = 3, action = "warn" }', 8)
        made.run(10)
        one = made.peer(1, 2)
        assert one.session.is_established
        assert one.faults.by_kind["maximum prefixes reached"] == 1
        assert made.best(1, "10.65.7.0/24") is not None


@pytest.mark.parametrize(
    ("threshold", "count", "warned"), [(50, 5, 0), (50, 6, 1), (75, 7, 0), (75, 8, 1), (100, 10, 0)]
)
def test_table_that_nears_its_limit_is_warned_of_once(threshold: int, count: int, warned: int) -> None:
    with cluster() as made:
        limited(made, f"{{ limit = 10, threshold = {threshold} }}", count)
        made.run(10)
        one = made.peer(1, 2)
        assert one.session.is_established
        assert one.faults.by_kind["maximum prefixes near"] == warned


def test_both_families_have_a_limit_of_their_own() -> None:
    with cluster() as made:
        both = 'families = ["ipv4-unicast", "ipv6-unicast"]\n'
        made.start(1, peer(2, max_prefixes="{ limit = 3 }") + both)
        made.start(2, peer(1) + both + networks(3) + "".join(network(f"fd00:{n}::/64") for n in range(1, 4)))
        made.run(10)
        assert made.peer(1, 2).session.is_established
        made.speakers[2].reload(
            made.config(2, peer(1) + both + networks(3) + "".join(network(f"fd00:{n}::/64") for n in range(1, 5)))
        )
        made.run(5)
        assert "4 ipv6-unicast prefixes" in made.peer(1, 2).session.resting
        assert address(2) in made.speakers[1].peers


@pytest.mark.rfc("8538", "5.1")
def test_neither_side_keeps_routes_of_a_session_that_stays_down() -> None:
    with cluster() as made:
        limited(made, "{ limit = 3 }", 4)
        made.speakers[1].reload(made.config(1, peer(2, max_prefixes="{ limit = 3 }") + network("10.66.0.0/16")))
        made.run(0.5)
        assert made.peer(1, 2).session.resting
        assert made.best(1, "10.65.0.0/24") is None
        assert made.best(2, "10.66.0.0/16") is None
        assert "Hard Reset" in made.peer(2, 1).session.received_error


@pytest.mark.rfc("4486", "4")
def test_peer_without_notification_support_is_told_plainly() -> None:
    with cluster() as made:
        made.start(1, peer(2, max_prefixes="{ limit = 3 }"))
        made.start(2, peer(1, graceful_restart="{ enabled = false }") + networks(4))
        made.run(0.5)
        assert made.peer(2, 1).session.last_error == "Received: Cease/Maximum Prefixes Reached"
        assert made.peer(1, 2).session.resting


@pytest.mark.parametrize("how", ["disable", "drain", "remove"])
def test_who_takes_the_peer_out_at_the_moment_of_one_prefix_too_many_is_obeyed(how: str) -> None:
    with cluster() as made:
        limited(made, "{ limit = 4, restart_after = 10 }", 4)
        made.established()
        made.run(1)
        one = made.peer(1, 2)
        one.session.fail(Cease(CeaseSubcode.MAXIMUM_PREFIXES_REACHED, why="4 ipv4-unicast prefixes, the limit is 3"))
        if how == "disable":
            one.disable("for now")
        elif how == "drain":
            one.drain.begin(0, "for now")
        else:
            made.speakers[1].reload(made.config(1, ""))
        made.run(60)
        assert not one.session.resting
        assert not one.session.is_started
        assert made.peer(2, 1).negotiated is None


def test_a_large_message_at_the_end_of_a_slice_does_not_slip_by_the_limit() -> None:
    routes = b"".join(bytes((24, 10, 65, number)) for number in range(200))
    start = ORIGIN + AS_PATH + tlv(3, 0x40, parse_address(address(2)))
    sent = [body(start + LOCAL_PREF, ROUTE), body(start + MED + LOCAL_PREF, routes)]
    with cluster() as made:
        made.start(1, peer(2, max_prefixes="{ limit = 150 }"))
        made.start(2, peer(1))
        made.established()
        framer = Framer()
        inbox = Inbox(b"", framer.feed(b"".join(frame(MessageType.UPDATE, one) for one in sent)))
        inbox.buffer = framer.buffer
        with pytest.raises(Cease, match="201 ipv4-unicast prefixes, the limit is 150"):
            made.peer(1, 2).updates_received(inbox, inbox.messages[1][1] + 1)
