"""The numbers are those that pyroute2 took from the kernel's headers."""

import pytest
from pyroute2 import netlink
from pyroute2.netlink import rtnl
from pyroute2.netlink.rtnl import ifaddrmsg, ifinfmsg, rtmsg

from bgpd.kernel import rtnetlink

SOURCES = (netlink, rtnl, ifaddrmsg, ifinfmsg, rtmsg)
SHARED = [name for name in vars(rtnetlink) if any(isinstance(getattr(source, name, None), int) for source in SOURCES)]


@pytest.mark.parametrize("name", SHARED)
def test_a_number_is_that_of_pyroute2(name: str) -> None:
    expected = {getattr(source, name) for source in SOURCES if hasattr(source, name)}
    assert {getattr(rtnetlink, name)} == expected


def test_most_numbers_are_compared() -> None:
    assert len(SHARED) > 30


def test_attributes_have_the_positions_of_pyroute2s_tables() -> None:
    positions = {entry[0]: position for position, entry in enumerate(rtmsg.rtmsg.nla_map)}
    attributes = {name: number for name, number in vars(rtnetlink).items() if name.startswith("RTA_")}
    assert attributes == {name: positions[name] for name in attributes}


def test_route_types_and_protocols_are_those_of_pyroute2() -> None:
    types = {name: number for name, number in vars(rtnetlink).items() if name.startswith("RTN_")}
    assert types == {name: rtnl.rt_type[name.removeprefix("RTN_").lower()] for name in types}
    shared = rtnetlink.PROTOCOLS.keys() & rtnl.rt_proto.keys()
    assert len(shared) > 10
    assert {name: rtnetlink.PROTOCOLS[name] for name in shared} == {name: rtnl.rt_proto[name] for name in shared}
