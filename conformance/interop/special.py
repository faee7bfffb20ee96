"""Sessions that differ from the plain ones in one option each; they run beside those of the matrix."""

from typing import Final

from conformance.interop.plan import LONG_LIST, OUR_ASN, Dialling, Plan

CLUSTER: Final = "10.9.9.9"  # of BIRD as our reflector
INJECTOR: Final = "10.0.72.9"  # where the scripted peer of that reflector lives
LONG_PREFIX: Final = "10.175.5.0/24"
TWICE: Final = "10.174.5.0/24"

WRONG_WE_DIAL: Final = Plan(
    60, "wrong MD5, we dial", 65080, dialling=Dialling.WE, password="right", bird_password="wrong"
)
WRONG_THEY_DIAL: Final = Plan(
    61, "wrong MD5, they dial", 65081, dialling=Dialling.THEY, password="right", bird_password="wrong"
)
WRONG_BOTH_DIAL: Final = Plan(
    62, "wrong MD5, IPv6", 65082, transport="ipv6", families=("ipv6",), password="right", bird_password="wrong"
)
ONLY_OURS: Final = Plan(63, "MD5 here, none there", 65083, password="right", bird_password="")
ONLY_THEIRS: Final = Plan(64, "none here, MD5 there", 65084, password="", bird_password="right")
HOPS_4: Final = Plan(65, "GTSM, eBGP, IPv4", 65085, ours="ttl_security = 1", theirs="ttl security on;")
HOPS_6: Final = Plan(
    66,
    "GTSM, iBGP, IPv6",
    OUR_ASN,
    transport="ipv6",
    families=("ipv6",),
    ours="ttl_security = 1",
    theirs="ttl security on;",
)
HOPS_WE_DIAL: Final = Plan(
    67, "GTSM, we dial", 65087, dialling=Dialling.WE, ours="ttl_security = 1", theirs="ttl security on;"
)
HOPS_THEY_DIAL: Final = Plan(
    68, "GTSM, they dial", 65088, dialling=Dialling.THEY, ours="ttl_security = 1", theirs="ttl security on;"
)
HOPS_ONLY_OURS: Final = Plan(69, "GTSM here, none there", 65089, dialling=Dialling.THEY, ours="ttl_security = 1")
MULTIHOP: Final = Plan(70, "multihop", 65090, theirs="multihop 2;")
WRONG_ASN: Final = Plan(71, "wrong AS", 65091, bird_expects=64999)
CLIENT_OF_BIRD: Final = Plan(72, "client of BIRD", OUR_ASN, theirs=f"rr client; rr cluster id {CLUSTER};")
CLIENT_AGAIN: Final = Plan(
    73, "client of BIRD, second session", OUR_ASN, theirs=f"rr client; rr cluster id {CLUSTER};", tables_of=72
)
ADD_PATH: Final = Plan(74, "ADD-PATH", 65094, ours='add_path = "receive"', channel="add paths tx;")
LONG_SENDER: Final = Plan(75, "extended messages, sender", 65095, theirs="enable extended messages on;")
LONG_RECEIVER: Final = Plan(76, "extended messages, receiver", OUR_ASN, theirs="enable extended messages on;")
SHORT_RECEIVER: Final = Plan(77, "no extended messages", OUR_ASN, theirs="enable extended messages off;")
BIG_EXTERNAL: Final = Plan(78, "four-octet AS, eBGP", 4200000002, 4200000001)
BIG_INTERNAL: Final = Plan(79, "four-octet AS, iBGP", 4200000003, 4200000003)
OLD_EXTERNAL: Final = Plan(80, "two-octet BIRD, eBGP", 65100, theirs="enable as4 off;")
OLD_INTERNAL: Final = Plan(81, "two-octet BIRD, iBGP", OUR_ASN, theirs="enable as4 off;")
NO_CAPABILITIES: Final = Plan(83, "BIRD without capabilities", 65103, theirs="capabilities off;")
NO_REFRESH: Final = Plan(82, "no route refresh", 65102, theirs="enable route refresh off;")

DOWN: Final = (
    WRONG_WE_DIAL, WRONG_THEY_DIAL, WRONG_BOTH_DIAL, ONLY_OURS, ONLY_THEIRS, HOPS_ONLY_OURS, WRONG_ASN
)  # fmt: skip
UP: Final = (
    HOPS_4, HOPS_6, HOPS_WE_DIAL, HOPS_THEY_DIAL, MULTIHOP, CLIENT_OF_BIRD, CLIENT_AGAIN, ADD_PATH,
    LONG_SENDER, LONG_RECEIVER, SHORT_RECEIVER, BIG_EXTERNAL, BIG_INTERNAL, OLD_EXTERNAL, OLD_INTERNAL,
    NO_REFRESH, NO_CAPABILITIES,
)  # fmt: skip


def bird_extra() -> str:
    """Return what these sessions need of BIRD beyond their plans."""
    table = ADD_PATH.table("ipv4")
    communities = " ".join(f"bgp_community.add((65020, {number}));" for number in range(LONG_LIST))
    return f"""
        protocol static first_way {{ ipv4 {{ table {table}; }}; route {TWICE} via 10.0.74.3; }}
        protocol static second_way {{ ipv4 {{ table {table}; }}; route {TWICE} via 10.0.74.4; }}
        protocol static long_list {{ ipv4 {{ table {LONG_SENDER.table("ipv4")};
            import filter {{ {communities} accept; }}; }}; route {LONG_PREFIX} via 10.0.75.3; }}
        protocol bgp injected {{ local 10.0.72.2 as {OUR_ASN}; neighbor {INJECTOR} as {OUR_ASN}; direct; passive;
            rr client; rr cluster id {CLUSTER}; connect delay time 1; error wait time 1, 2;
            ipv4 {{ table {CLIENT_OF_BIRD.table("ipv4")}; import all; export all; }};
        }}
    """
