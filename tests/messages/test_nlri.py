"""NLRI: the tokenizer and the plain loop agree, and what RFC 7606 5.3 calls a syntax error is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.addresses import parse_prefix
from bgpd.errors import UpdateError, UpdateSubcode
from bgpd.families import FAMILIES, IPV4_UNICAST, Family
from bgpd.messages import nlri
from tests.support.wire import prefixes

EACH_FAMILY = pytest.mark.parametrize("family", list(FAMILIES.values()), ids=lambda family: family.name)


def split_plainly(octets: bytes, bits: int, before: int = 0) -> list[bytes] | None:
    try:
        return nlri.split_plainly(octets, 0, len(octets), bits, before)
    except UpdateError:
        return None


@EACH_FAMILY
@given(data=st.data())
def test_joined_keys_split_into_themselves(family: Family, data: st.DataObject) -> None:
    keys = data.draw(st.lists(prefixes(family), max_size=20))
    octets = b"before" + b"".join(keys) + b"behind"
    assert nlri.split(octets, 6, len(octets) - 6, family.bits) == keys
    assert nlri.split_plainly(octets, 6, len(octets) - 6, family.bits) == keys


@EACH_FAMILY
@given(data=st.data())
def test_joined_keys_with_path_identifiers_split_into_themselves(family: Family, data: st.DataObject) -> None:
    keys = data.draw(st.lists(st.builds(bytes.__add__, st.binary(min_size=4, max_size=4), prefixes(family))))
    octets = b"".join(keys)
    assert nlri.split_with_path_id(octets, 0, len(octets), family.bits) == keys


@EACH_FAMILY
@given(octets=st.binary(max_size=60))
def test_fast_and_plain_split_agree_on_any_octets(family: Family, octets: bytes) -> None:
    for split, before in ((nlri.split, 0), (nlri.split_with_path_id, 4)):
        expected = split_plainly(octets, family.bits, before)
        if expected is None:
            with pytest.raises(UpdateError):
                split(octets, 0, len(octets), family.bits)
        else:
            assert split(octets, 0, len(octets), family.bits) == expected


@EACH_FAMILY
def test_every_length_is_read_and_its_stray_bits_are_cleared(family: Family) -> None:
    for length in range(family.bits + 1):
        octets = bytes((length,)) + (b"\x3f" + b"\xff" * 15)[: (length + 7) // 8]
        (key,) = nlri.split(octets, 0, len(octets), family.bits)
        assert len(key) == len(octets)
        number = int.from_bytes(key[1:])
        assert number & ((1 << -length % 8) - 1) == 0
        assert number == int.from_bytes(octets[1:]) & ~((1 << -length % 8) - 1)


@EACH_FAMILY
@pytest.mark.rfc("7606", "5.3")
def test_a_length_above_the_familys_is_invalid(family: Family) -> None:
    octets = bytes((family.bits + 1,)) + b"\x20" * 17
    with pytest.raises(UpdateError) as caught:
        nlri.split(octets, 0, len(octets), family.bits)
    assert caught.value.subcode == UpdateSubcode.INVALID_NETWORK_FIELD


@EACH_FAMILY
@pytest.mark.rfc("7606", "5.3")
def test_a_prefix_that_is_cut_off_is_invalid(family: Family) -> None:
    octets = bytes((family.bits,)) + b"\x20" * family.octets
    for end in range(1, len(octets)):
        with pytest.raises(UpdateError):
            nlri.split(octets, 0, end, family.bits)
    identified = b"\0\0\0\1" + octets
    for end in range(1, len(identified)):
        with pytest.raises(UpdateError):
            nlri.split_with_path_id(identified, 0, end, family.bits)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0.0.0/0", True),
        ("10.0.0.0/8", True),
        ("0.0.0.0/1", True),
        ("128.0.0.0/1", True),
        ("240.0.0.0/4", True),
        ("224.0.0.0/3", True),
        ("224.0.0.0/4", False),
        ("239.1.2.3/32", False),
        ("127.0.0.1/32", False),
        ("126.0.0.0/7", True),
        ("::/0", True),
        ("2001:db8::/32", True),
        ("fd00::/8", True),
        ("fc00::/7", True),
        ("::1/128", False),
        ("::2/128", True),
        ("ff02::/16", False),
        ("fe80::/10", False),
        ("fe80::/9", True),
        ("fe80::1/128", False),
        ("fec0::/10", True),
        ("64:ff9b::/96", True),
    ],
)
@pytest.mark.rfc("4271", "6.3")
def test_multicast_loopback_and_link_local_are_no_unicast_routes(text: str, expected: bool) -> None:
    family, prefix = parse_prefix(text)
    assert nlri.is_unicast(family, prefix) is expected


@EACH_FAMILY
@given(data=st.data())
def test_what_the_tokenizer_takes_is_unicast(family: Family, data: st.DataObject) -> None:
    octets = data.draw(st.binary(min_size=1, max_size=17))
    keys = nlri.TOKENS[family.bits](octets, 0, len(octets))
    if b"".join(keys) == octets:
        assert all(nlri.is_unicast(family, key) for key in keys)


def test_every_first_octet_of_ipv4_is_judged_alike_by_both() -> None:
    for first in range(256):
        for length in range(1, 33):
            octets = bytes((length,)) + bytes((first, 0, 0, 0))[: (length + 7) // 8]
            if first & ((1 << max(0, 8 - length)) - 1):
                continue
            is_taken = nlri.TOKENS[32](octets, 0, len(octets)) == [octets]
            is_unicast = nlri.is_unicast(IPV4_UNICAST, octets)
            assert is_taken <= is_unicast
            assert is_taken or not is_unicast or first >= 224 or first == 127


@pytest.mark.parametrize("has_path_id", [False, True])
def test_expressions_are_compiled_when_they_are_asked_to_be(has_path_id: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = nlri._Tokens(4 if has_path_id else 0)
    monkeypatch.setattr(nlri, "TOKENS_WITH_PATH_ID" if has_path_id else "TOKENS", fresh)
    nlri.prepare(128, has_path_id=has_path_id)
    assert list(fresh) == [128]
