"""What a peer takes over from ``[session]`` and from the node, for whoever has to look at both."""

from typing import Literal, TypeVar

from bgpd.config.syntax import asn_value
from bgpd.identity import Asn

T = TypeVar("T")


def first(*values: T | None) -> T:
    """Return the first value that is there; the last one always is."""
    return next(value for value in values if value is not None)


def remote_asn(written: int | str, local_asn: Asn) -> tuple[Asn | None, Literal["internal", "external"]]:
    """Return a peer's AS number, None for any external one, and what it is to ours."""
    if written == "internal":
        return local_asn, "internal"
    if written == "external":
        return None, "external"
    asn = asn_value(written)
    return asn, "internal" if asn == local_asn else "external"
