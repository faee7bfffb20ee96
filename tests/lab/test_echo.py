"""ICMP echo: the packets, and the way they take between two namespaces."""

import time
from collections.abc import Callable, Iterator

import pytest

from bgpd.lab.echo import ICMP, ICMPV6, Endpoint, Pinger, Question, decode_reply, encode_request
from bgpd.lab.namespaces import Namespace, have_privileges
from bgpd.lab.topology import plan_container

# IPv4 header of 20 octets as a raw socket shows it.
IPV4_HEADER = bytes.fromhex("45 00 00 24 00 00 00 00 40 01 00 00 0a 41 01 01 0a 41 01 02")


def test_an_ipv4_request_sums_to_all_ones() -> None:
    packet = encode_request(ICMP, 0x1234_5678_9ABC)
    total = sum(int.from_bytes(packet[i : i + 2]) for i in range(0, len(packet), 2))
    assert total % 0xFFFF == 0  # RFC 1071: one's complement sum over data and checksum


def test_a_reply_gives_back_the_number_of_the_request() -> None:
    reply = b"\x00" + encode_request(ICMP, 77)[1:]
    assert decode_reply(ICMP, IPV4_HEADER + reply) == 77
    assert decode_reply(ICMPV6, b"\x81" + encode_request(ICMPV6, 78)[1:]) == 78


def test_a_request_is_no_reply() -> None:
    assert decode_reply(ICMP, IPV4_HEADER + encode_request(ICMP, 77)) is None
    assert decode_reply(ICMPV6, encode_request(ICMPV6, 77)) is None


@pytest.mark.parametrize("size", range(36))
def test_a_packet_cut_short_is_no_reply(size: int) -> None:
    reply = IPV4_HEADER + b"\x00" + encode_request(ICMP, 77)[1:]
    assert decode_reply(ICMP, reply[:size]) is None


@pytest.fixture
def pair() -> Iterator[list[Endpoint]]:
    """Two containers joined directly, without a host between them."""
    if not have_privileges():
        pytest.skip("network namespaces need root")
    plans = [plan_container(1, 1), plan_container(1, 2)]
    spaces = [Namespace(plan.name) for plan in plans]
    spaces[0].ip_batch([f"link add eth0 type veth peer name eth0 netns {spaces[1].path}"])
    for space, plan in zip(spaces, plans, strict=True):
        space.set_sysctls({"ipv6/conf/default/accept_dad": 0, "ipv6/conf/eth0/accept_dad": 0})
        space.ip_batch([f"address add {plan.ipv4}/24 dev eth0", f"address add {plan.ipv6}/64 dev eth0"])
        space.ip_batch(["link set eth0 up"])
    yield [Endpoint(plan, space) for plan, space in zip(plans, spaces, strict=True)]
    for space in spaces:
        space.close()


@pytest.mark.netns
def test_each_of_two_joined_namespaces_answers_the_other_in_both_families(pair: list[Endpoint]) -> None:
    with Pinger(pair) as pinger:
        answers = pinger.ask(pinger.questions(), 3.0)
    assert len(answers) == 4
    assert None not in answers.values()


@pytest.mark.netns
def test_a_namespace_that_is_cut_off_does_not_answer(pair: list[Endpoint]) -> None:
    question = Question("node1-c1", "node1-c2", 4)
    pair[1].namespace.ip("link", "set", "eth0", "down")
    with Pinger(pair) as pinger:
        assert pinger.ask([question], 0.1) == {question: None}


@pytest.mark.netns
def test_a_stream_counts_what_was_sent_and_what_was_lost(pair: list[Endpoint]) -> None:
    question = Question("node1-c1", "node1-c2", 4)
    with Pinger(pair) as pinger:
        pinger.ask([question], 3.0)
        with pinger.stream([question], 0.01, grace=0.2) as result:
            _wait_for(lambda: result.sent >= 5)
            pair[1].namespace.ip("link", "set", "eth0", "down")
            so_far = result.sent
            _wait_for(lambda: result.sent >= so_far + 5)
    assert result.lost
    assert set(result.lost) == {question}
    assert len(result.lost) < result.sent


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
