"""TCP-MD5 and TCP-AO through whole speakers: who meets whom, who is held down, and what a reload does."""

import pytest

from bgpd.addresses import parse_address
from bgpd.errors import Cease, CeaseSubcode
from bgpd.fsm.states import State
from tests.support.cluster import Cluster, address, cluster, network, peer

AO = "tcp_ao"


def ao(*keys: str) -> str:
    return f"{{ keys = [{', '.join(keys)}] }}"


def key(send: int, receive: int, text: str = "k1", more: str = "") -> str:
    return f'{{ send_id = {send}, recv_id = {receive}, key = "{text}"{more} }}'


def pair(made: Cluster, one: str, other: str) -> None:
    made.start(1, peer(2, **({AO: one} if one else {})))
    made.start(2, peer(1, **({AO: other} if other else {})))


@pytest.mark.rfc("5925", "3.1")
@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (ao(key(1, 2)), ao(key(2, 1)), True),
        (ao(key(1, 2)), ao(key(2, 1, "other")), False),
        (ao(key(1, 2)), ao(key(1, 2)), False),
        (ao(key(1, 2)), "", False),
        (ao(key(1, 2, "old"), key(3, 4, "new", ", preferred = true")), ao(key(4, 3, "new")), True),
    ],
    ids=["same", "other key", "identifiers not swapped", "unsigned", "rollover"],
)
def test_peers_meet_if_their_keys_fit(one: str, other: str, meet: bool) -> None:
    with cluster() as made:
        pair(made, one, other)
        made.run(30)
        assert made.peer(1, 2).session.is_established is meet
        if not meet:
            assert "TCP-AO key" in made.peer(1, 2).session.last_error


def test_without_tcp_ao_in_the_kernel_the_session_is_held_down_and_all_others_run() -> None:
    with cluster() as made:
        made.network.has_tcp_ao = False
        made.start(1, peer(2, tcp_ao=ao(key(1, 2))) + peer(3) + network("10.65.0.0/26"))
        made.start(2, peer(1))
        made.start(3, peer(1))
        made.until(3, "10.65.0.0/26")
        held = made.peer(1, 2)
        assert held.settings.held_down == "TCP-AO key cannot be used: no TCP-AO"
        assert held.session.state is State.IDLE
        made.run(60)
        assert not made.peer(2, 1).session.is_established  # nor does it get in without a key


def test_a_range_whose_keys_the_kernel_does_not_take_lets_nobody_in() -> None:
    with cluster() as made:
        made.network.has_tcp_ao = False
        made.start(1, f'[[peer_range]]\nprefix = "10.0.0.0/24"\nasn = "internal"\n{AO} = {ao(key(1, 2))}\n')
        made.start(2, peer(1))
        made.run(20)
        assert not made.peer(2, 1).session.is_established


def test_a_reload_with_another_key_restarts_that_session_alone() -> None:
    with cluster() as made:
        made.start(1, peer(2, tcp_ao=ao(key(1, 2))) + peer(3, password='"old"'))
        made.start(2, peer(1, tcp_ao=ao(key(2, 1))))
        made.start(3, peer(1, password='"old"'))
        made.established()
        for number, others in ((1, peer(2, tcp_ao=ao(key(1, 2, "new"))) + peer(3, password='"old"')),):
            made.speakers[number].reload(made.config(number, others))
        made.speakers[2].reload(made.config(2, peer(1, tcp_ao=ao(key(2, 1, "new")))))
        made.established(within=60)
        assert made.peer(1, 2).session.flaps == 1
        assert made.peer(1, 3).session.flaps == 0
        made.speakers[1].reload(made.config(1, peer(2, tcp_ao=ao(key(1, 2, "new"))) + peer(3, password='"new"')))
        made.speakers[3].reload(made.config(3, peer(1, password='"new"')))
        made.established(within=60)
        assert (made.peer(1, 2).session.flaps, made.peer(1, 3).session.flaps) == (1, 1)


def test_the_password_of_a_range_that_moved_no_longer_holds_where_it_was() -> None:
    with cluster() as made:
        text = '[[peer_range]]\nname = "r"\nprefix = "{}"\nasn = "internal"\npassword = "x"\n'
        speaker = made.start(1, text.format("10.0.0.0/24"))
        made.start(2, peer(1))
        made.run(5)
        speaker.reload(made.config(1, text.format("10.1.0.0/24") + peer(2)))
        made.established(within=60)


def test_a_passive_session_says_that_signatures_are_wrong() -> None:
    with cluster() as made:
        made.start(1, peer(2, password='"right"', passive="true"))
        made.start(2, peer(1, password='"wrong"'))
        made.run(60)
        session = made.peer(1, 2).session
        assert session.state is State.ACTIVE
        assert session.last_error == (
            "Socket: No connection, and segments with a wrong or no signature are dropped: compare the TCP-MD5 password"
        )
        made.speakers[2].reload(made.config(2, peer(1, password='"right"')))
        made.established(within=60)


def test_a_passive_session_that_nobody_dials_says_nothing() -> None:
    with cluster() as made:
        made.start(1, peer(2, password='"right"', passive="true"))
        made.run(300)
        assert made.peer(1, 2).session.last_error == ""
        assert address(2) in made.speakers[1].peers


def named(name: str, number: int, password: str) -> str:
    return peer(number, name=f'"{name}"', password=f'"{password}"', passive="true")


def test_peers_that_swap_their_addresses_in_a_reload_still_need_their_passwords() -> None:
    with cluster() as made:
        speaker = made.start(1, named("p", 2, "a") + named("q", 3, "b"))
        speaker.reload(made.config(1, named("p", 3, "a") + named("q", 2, "b")))
        made.start(2, peer(1))
        made.start(3, peer(1))
        made.run(30)
        assert not any(one.session.is_established for one in speaker.peers.values())
        made.speakers[2].reload(made.config(2, peer(1, password='"b"')))
        made.speakers[3].reload(made.config(3, peer(1, password='"a"')))
        made.established(within=60)


def test_peers_that_move_one_place_on_in_a_reload_still_need_their_passwords() -> None:
    with cluster() as made:
        speaker = made.start(1, named("p", 2, "a") + named("q", 3, "b"))
        speaker.reload(made.config(1, named("p", 3, "a") + named("q", 4, "b")))
        made.start(3, peer(1))
        made.run(30)
        assert not speaker.peers["p"].session.is_established
        made.speakers[3].reload(made.config(3, peer(1, password='"a"')))
        made.run(60)
        assert speaker.peers["p"].session.is_established


def test_ranges_that_swap_their_prefixes_in_a_reload_still_need_their_passwords() -> None:
    with cluster() as made:
        text = '[[peer_range]]\nname = "{}"\nprefix = "10.0.0.{}/32"\nasn = "internal"\npassword = "{}"\n'
        speaker = made.start(1, text.format("r", 2, "a") + text.format("s", 3, "b"))
        speaker.reload(made.config(1, text.format("r", 3, "a") + text.format("s", 2, "b")))
        made.start(2, peer(1))
        made.start(3, peer(1))
        made.run(30)
        assert not any(one.session.is_established for one in speaker.peers.values())
        made.speakers[2].reload(made.config(2, peer(1, password='"b"')))
        made.speakers[3].reload(made.config(3, peer(1, password='"a"')))
        made.established(2, 3, within=60)


def on_link(interface: str, password: str) -> str:
    line = f'password = "{password}"\n' if password else ""
    return f'[[peer]]\naddress = "fe80::1%{interface}"\nasn = "external"\npassive = true\n{line}'


def passwords(made: Cluster) -> list[str]:
    """Return what an IPv6 listening socket of speaker 1 requires of fe80::1."""
    own = parse_address("fd00::1")
    made.loop.run_until_complete(made.speakers[1].listener.close())
    listening = made.network.hosts[bytes((10, 0, 0, 1))].listening
    listening.clear()
    made.loop.run_until_complete(made.speakers[1].listener.start([own], 179))
    return list(listening[own, 179].passwords.values())


def test_one_address_on_two_links_keeps_its_password_while_one_of_them_needs_it() -> None:
    with cluster() as made:
        speaker = made.start(1, on_link("eth0", "a") + on_link("eth1", "a"))
        assert passwords(made) == ["a"]
        speaker.reload(made.config(1, on_link("eth1", "a")))
        assert passwords(made) == ["a"]
        speaker.reload(made.config(1, on_link("eth1", "")))
        assert passwords(made) == []


def test_one_address_on_two_links_cannot_have_two_passwords() -> None:
    with cluster() as made:
        speaker = made.start(1, on_link("eth0", "a") + on_link("eth1", "b") + on_link("eth2", ""))
        assert passwords(made) == ["a"]
        assert speaker.peers["fe80::1%eth0"].settings.held_down == ""
        assert speaker.peers["fe80::1%eth2"].settings.held_down == ""  # it can be dialled
        assert speaker.peers["fe80::1%eth1"].settings.held_down == (
            "the kernel takes one key for an address on all links, and peer fe80::1%eth0 has another one for fe80::1"
        )
        speaker.reload(made.config(1, on_link("eth1", "b")))
        assert passwords(made) == ["b"]
        assert speaker.peers["fe80::1%eth1"].session.is_started


def test_a_changed_policy_leaves_the_password_where_it_is() -> None:
    policy = '[[policy]]\nname = "p"\ndefault = "accept"\n'
    with cluster() as made:
        first = peer(2, password='"secret"', import_='["p"]', passive="true")
        made.start(1, first + policy)
        made.start(2, peer(1, password='"secret"'))
        made.established()
        made.speakers[1].reload(made.config(1, first + policy + 'rules = [{ set_weight = 1, action = "accept" }]\n'))
        made.run(1)
        made.peer(2, 1).session.reset(Cease(CeaseSubcode.ADMINISTRATIVE_RESET, why="reset"))
        made.run(20)
        assert made.peer(1, 2).session.is_established
