"""The peers that tests of faulty attributes have: two that announce a route, and one that sees what becomes of it.

The observer is an internal peer, and we are a reflector for it.
"""

from tests.support.wire_daemon import Remote
from tests.support.wire_peer import AS_PATH, NEXT_HOP, ORIGIN, address, as_path, attribute

NODE = 'cluster_id = "10.255.0.1"'
EXTERNAL = Remote(2, 65002)
INTERNAL = Remote(3, 65000, "reflector_client = true")
OBSERVER = Remote(4, 65000, "reflector_client = true")
PEERS = (EXTERNAL, INTERNAL, OBSERVER)

ROUTE, ROUTE6 = "10.1.0.0/16", "2001:db8:1::/48"


def block(asns: list[int], *changed: bytes, size: int = 4) -> bytes:
    """Return the mandatory attributes without those that are changed, which follow, also several of one code."""
    whole = {
        ORIGIN: attribute(ORIGIN, b"\0"),
        AS_PATH: attribute(AS_PATH, as_path(*asns, size=size)),
        NEXT_HOP: attribute(NEXT_HOP, address("192.0.2.1")),
    }
    codes = {octets[1] for octets in changed}
    return b"".join([octets for code, octets in whole.items() if code not in codes]) + b"".join(changed)
