"""Only to Customer: what a session's role says about routes that may only go down to customers.

RFC 9234 section 5. OTC is the AS that first sent the route down or sideways; a route that has it and comes up again, or
goes sideways a second time, is a leak. It depends on the path and the session alone, never on a prefix, and holds for
IPv4 and IPv6 unicast.
"""

from typing import Final

from bgpd.identity import Asn, Role

_FROM_BELOW: Final = frozenset({Role.PROVIDER, Role.ROUTE_SERVER})  # of ours, where such a route cannot come from
_FROM_ABOVE: Final = frozenset({Role.CUSTOMER, Role.PEER, Role.ROUTE_SERVER_CLIENT})  # ours, where what comes is marked
_TO_BELOW: Final = frozenset({Role.PROVIDER, Role.PEER, Role.ROUTE_SERVER})  # ours, where what goes is marked


def leak(role: Role | None, otc: Asn | None, remote_asn: Asn) -> str:
    """Return why a received route is a leak, for people; empty = it is none. role: ours."""
    if otc is None or role is None:
        return ""
    if role in _FROM_BELOW:
        return f"route leak: OTC {otc} from a peer whose role is {role.counterpart.value} (RFC 9234)"
    if role is Role.PEER and otc != remote_asn:
        return f"route leak: OTC {otc} from a peer whose role is peer and AS {remote_asn} (RFC 9234)"
    return ""


def marks_received(role: Role | None) -> bool:
    """Does a route without OTC get it, with the peer's AS, when it comes in?"""
    return role in _FROM_ABOVE


def marks_sent(role: Role | None) -> bool:
    """Does a route without OTC get it, with our AS, when it goes out?"""
    return role in _TO_BELOW


def refusal(role: Role | None, otc: Asn | None) -> str:
    """Return why the route may not go out, for people; empty = it may. role: ours."""
    if otc is None or role not in _FROM_ABOVE:
        return ""
    assert role is not None
    return f"route leak: OTC {otc} does not go to a peer whose role is {role.counterpart.value} (RFC 9234)"
