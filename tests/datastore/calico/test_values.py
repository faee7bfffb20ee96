"""Single values: AS numbers, durations, addresses and CIDRs, in values and in keys; a fault never shows the value."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.addresses import format_address, format_prefix
from bgpd.datastore.calico import values
from bgpd.datastore.calico.values import UnreadableError
from bgpd.families import IPV4_UNICAST, IPV6_UNICAST


@pytest.mark.parametrize(
    ("written", "number"),
    [(64512, 64512), ("64512", 64512), ("1.10", 65546), (4294967295, 4294967295), (None, None), (0, None), ("", None)],
)
def test_as_numbers_are_numbers_texts_or_dotted(written: int | str | None, number: int | None) -> None:
    assert values.asn(written, "") == number


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("120s", 120), ("2m0s", 120), ("1h", 3600), ("1h1m1s", 3661), ("1.4s", 1), ("1.5s", 2), ("1500ms", 2),
        ("0", 0), ("0s", 0), ("", None), (None, None), (".5m", 30), ("2000000us", 2), ("1m30s500ms", 91),
    ],
)  # fmt: skip
def test_durations_are_rounded_to_seconds(written: str | None, seconds: int | None) -> None:
    assert values.duration(written, "") == seconds


@pytest.mark.parametrize(
    ("written", "address", "port"),
    [
        ("172.18.0.1", "172.18.0.1", None), ("172.18.0.1:1179", "172.18.0.1", 1179), ("fd00::1", "fd00::1", None),
        ("[fd00::1]:1179", "fd00::1", 1179), ("[fd00::1]", "fd00::1", None),
    ],
)  # fmt: skip
def test_a_peer_address_may_have_a_port(written: str, address: str, port: int | None) -> None:
    octets, found = values.peer_address(written, "")
    assert (format_address(octets), found) == (address, port)


@pytest.mark.parametrize(
    ("written", "prefix"),
    [
        ("10.65.0.0-26", "10.65.0.0/26"), ("fd00:10::-122", "fd00:10::/122"), ("10.65.0.7-32", "10.65.0.7/32"),
        ("10.65.0.9-26", "10.65.0.0/26"),
    ],
)  # fmt: skip
def test_keys_have_a_dash_for_the_slash(written: str, prefix: str) -> None:
    assert format_prefix(*values.key_cidr(written, "")) == prefix


def test_a_node_address_without_mask_is_a_host() -> None:
    address = values.node_address("172.18.4.13", IPV4_UNICAST, "")
    assert address is not None
    assert (address.length, address.text) == (32, "172.18.4.13")
    address = values.node_address("FD10:4:0::13/64", IPV6_UNICAST, "")
    assert address is not None
    assert (address.length, address.text) == (64, "fd10:4::13")


SECRET = "hunter2"


@pytest.mark.parametrize(
    "read",
    [
        lambda: values.asn(SECRET, "w"),
        lambda: values.asn("65536.1", "w"),
        lambda: values.asn(-1, "w"),
        lambda: values.asn(4294967296, "w"),
        lambda: values.duration(SECRET, "w"),
        lambda: values.duration("12", "w"),
        lambda: values.duration("-1s", "w"),
        lambda: values.duration("99999999999h", "w"),
        lambda: values.identifier(SECRET, "w"),
        lambda: values.node_address(f"10.0.0.1/{SECRET}", IPV4_UNICAST, "w"),
        lambda: values.node_address("10.0.0.1/33", IPV4_UNICAST, "w"),
        lambda: values.node_address("fd00::1/64", IPV4_UNICAST, "w"),
        lambda: values.cidr(SECRET, "w"),
        lambda: values.cidr("10.0.0.0/", "w"),
        lambda: values.peer_address(f"10.0.0.1:{SECRET}", "w"),
        lambda: values.peer_address("10.0.0.1:0", "w"),
        lambda: values.peer_address("10.0.0.1:" + "9" * 5000, "w"),
        lambda: values.cidr("10.0.0.0/" + "9" * 5000, "w"),
        lambda: values.node_address("10.0.0.0/" + "9" * 5000, IPV4_UNICAST, "w"),
        lambda: values.asn("9" * 5000, "w"),
        lambda: values.asn("1." + "9" * 5000, "w"),
        lambda: values.duration("9" * 5000 + "h", "w"),
        lambda: values.peer_address("[fd00::1]1179", "w"),
        lambda: values.peer_address("fe80::1%eth0:7", "w"),
        lambda: values.key_cidr("10.65.0.0-26-7", "w"),
    ],
)
def test_a_fault_says_where_and_what_was_expected_but_not_what_was_found(read: Callable[[], object]) -> None:
    with pytest.raises(UnreadableError) as caught:
        read()
    assert str(caught.value).startswith("w: expected ")
    assert SECRET not in str(caught.value)


@given(st.text(max_size=20))
def test_any_text_is_a_value_or_refused(text: str) -> None:
    for read in (values.asn, values.duration, values.cidr, values.key_cidr, values.peer_address, values.identifier):
        with contextlib.suppress(UnreadableError):
            read(text, "w")
