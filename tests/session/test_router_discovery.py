"""Router advertisements and solicitations, octet by octet, and on a link between two namespaces."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable

import pytest

from bgpd.addresses import parse_address
from bgpd.session.router_discovery import LinkState, RouterDiscovery, advertisement, explain, options, solicitation
from tests.support.netns import join, namespaces

MAC = bytes.fromhex("020000000001")


@pytest.mark.rfc("4861", "4.2")
def test_our_advertisement_makes_nobody_take_us_for_a_default_gateway() -> None:
    assert advertisement(MAC) == bytes.fromhex("86 00 0000 00 00 0000 00000000 00000000 01 01 020000000001")


@pytest.mark.rfc("4861", "4.1")
def test_our_solicitation() -> None:
    assert solicitation(MAC) == bytes.fromhex("85 00 0000 00000000 01 01 020000000001")
    assert solicitation(b"") == bytes.fromhex("85 00 0000 00000000")


@pytest.mark.rfc("4861", "6.1.2")
@pytest.mark.parametrize(
    "octets",
    ["", "86", "86 00 0000 00 00 0000 00000000 000000", "85 00 0000 000000", "88 00 0000 00000000"],
    ids=["nothing", "a type", "cut off", "cut off solicitation", "another type"],
)
def test_message_that_is_no_whole_message_is_not_valid(octets: str) -> None:
    assert options(bytes.fromhex(octets)) is None


@pytest.mark.rfc("4861", "6.1.2")
@pytest.mark.parametrize("tail", ["01", "01 00 020000000001", "01 02 020000000001", "01 01 0200"])
def test_options_that_do_not_add_up_are_not_valid(tail: str) -> None:
    assert options(advertisement(b"") + bytes.fromhex(tail)) is None


@pytest.mark.rfc("4861", "6.1.2")
def test_code_other_than_zero_is_not_valid() -> None:
    assert options(b"\x86\x01" + advertisement(MAC)[2:]) is None


@pytest.mark.rfc("4861", "4.6.1")
def test_unknown_options_are_skipped() -> None:
    assert options(advertisement(b"") + bytes.fromhex("63 01 000000000000") + solicitation(MAC)[8:]) == {
        0x63: bytes(6),
        1: MAC,
    }


@pytest.mark.netns
@pytest.mark.rfc("4861", "6.1.2")
@pytest.mark.parametrize(
    ("hop_limit", "source", "is_taken"),
    [(255, "fe80::b", True), (254, "fe80::b", False), (255, "2001:db8::b", False)],
)
def test_advertisement_counts_only_from_the_link_itself(hop_limit: int, source: str, is_taken: bool) -> None:
    with namespaces("a", "b") as (a, b):
        join(a, "eth0", b, "eth0")
        a.ip("address add fe80::a/64 dev eth0 nodad")
        b.ip("-6 address add fe80::b/64 dev eth0 nodad")
        b.ip("-6 address add 2001:db8::b/64 dev eth0 nodad")
        with b.entered():
            sender = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
            index = socket.if_nametoindex("eth0")
        with sender, a.entered(), asyncio.Runner() as runner:
            sender.bind((source, 0, 0, index if source.startswith("fe80") else 0))
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, hop_limit)
            send = lambda: sender.sendto(advertisement(MAC), ("ff02::1", 0, 0, index))  # noqa: E731  # both ways alike
            found = runner.run(heard(send))
        expected = LinkState((parse_address(source),)) if is_taken else LinkState()
        assert found == expected


async def heard(send: Callable[[], int]) -> LinkState:
    """Return what was found on eth0 after a message was sent a few times."""
    states: list[LinkState] = []
    discovery = RouterDiscovery(asyncio.get_running_loop(), lambda _, state: states.append(state))
    discovery.watch("eth0")
    for _ in range(20):
        await asyncio.sleep(0.05)  # for what must not happen there is nothing to wait for
        send()
        if states and states[-1].routers:
            break
    discovery.close()
    return states[-1]


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EPERM, "CAP_NET_RAW"), (errno.EADDRNOTAVAIL, "link-local"), (errno.ENETUNREACH, "IPv6"), (errno.EIO, "")],
)
def test_what_stands_in_the_way_is_said_with_what_to_look_at(number: int, words: str) -> None:
    said = explain("eth0", OSError(number, os.strerror(number)))
    assert said.startswith(f"router discovery on eth0: {os.strerror(number)}")
    assert words in said


@pytest.mark.netns
def test_an_interface_without_ipv6_is_said_to_have_none() -> None:
    with namespaces("a", "b") as (a, b):
        join(a, "eth0", b, "eth0")
        with a.entered():
            with open("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "w", encoding="ascii") as switch:
                switch.write("1")
            with asyncio.Runner() as runner:
                found = runner.run(heard(lambda: 0))
        assert not found.routers
        assert "IPv6" in found.why
