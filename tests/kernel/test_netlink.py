"""What an error acknowledgement says."""

from bgpd.kernel.netlink import Refusal, explain_permission, parse_refusal

HEADER = "1800 0500 05000000 00000000"  # of the request: type 24, flags, sequence 5


def test_an_acknowledgement_is_no_refusal() -> None:
    octets = bytes.fromhex("24000000 0200 0001 05000000 01000000 00000000 3c000000" + HEADER)
    assert parse_refusal(octets, 0, len(octets)) is None


def test_the_kernels_own_words_are_part_of_a_refusal() -> None:
    text = b"Nexthop has invalid gateway\0"
    octets = (
        bytes.fromhex("44000000 0200 0003 05000000 01000000 9bffffff 3c000000" + HEADER)  # -101; capped, with TLVs
        + bytes.fromhex("2000 0100")
        + text
    )
    assert parse_refusal(octets, 0, len(octets)) == Refusal(101, "Network is unreachable: Nexthop has invalid gateway")


def test_a_refusal_without_words_has_those_of_its_number() -> None:
    octets = bytes.fromhex("24000000 0200 0001 05000000 01000000 efffffff 3c000000" + HEADER)
    assert parse_refusal(octets, 0, len(octets)) == Refusal(17, "File exists")


def test_a_missing_privilege_is_explained_with_what_to_do() -> None:
    assert "CAP_NET_ADMIN" in explain_permission("write routes")


def test_an_error_number_that_there_is_not_is_told_as_a_number() -> None:
    octets = bytes.fromhex("24000000 0200 0001 05000000 01000000 00000080 3c000000" + HEADER)  # -2^31
    assert parse_refusal(octets, 0, len(octets)) == Refusal(2**31, "error 2147483648")
