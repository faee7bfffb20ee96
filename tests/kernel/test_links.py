"""Link and address messages, and octets that are none."""

from hypothesis import given
from hypothesis import strategies as st

from bgpd.addresses import parse_address
from bgpd.families import IPV4_UNICAST
from bgpd.kernel.links import InterfaceAddress, Link, read

LINK = bytes.fromhex(
    "2c000000 1000 0000 00000000 00000000"  # RTM_NEWLINK
    "00 00 0100 03000000 43100100 00000000"  # index 3; up, broadcast, running, multicast, lower up
    "0900 0300 6574683000 000000"  # IFLA_IFNAME eth0
)
POINT_TO_POINT = bytes.fromhex(
    "28000000 1400 0000 00000000 00000000"  # RTM_NEWADDR
    "02 20 00 00 03000000"  # /32 on index 3
    "0800 0100 0a000002"  # IFA_ADDRESS: the other end
    "0800 0200 0a000001"  # IFA_LOCAL
)


def test_a_link_is_read() -> None:
    assert read(LINK) == [(True, Link(3, "eth0", is_up=True, has_carrier=True))]


def test_the_address_of_a_point_to_point_link_is_the_local_one() -> None:
    assert read(POINT_TO_POINT) == [(True, InterfaceAddress(3, IPV4_UNICAST, parse_address("10.0.0.1"), 32))]


def test_a_bridge_port_message_is_passed_over() -> None:
    assert read(LINK[:16] + b"\x07" + LINK[17:]) == []


@given(st.data())
def test_no_octets_raise_anything(data: st.DataObject) -> None:
    whole = bytearray(LINK + POINT_TO_POINT)
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    read(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
