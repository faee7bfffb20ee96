"""ROUTE-REFRESH: a peer asks for our routes again, or marks where such a repetition begins and ends.

RFC 2918 section 3, RFC 7313 sections 3.2 and 5. The body is AFI (2 octets), message subtype (1), SAFI (1).
"""

from enum import IntEnum
from typing import Final

from construct import ConstructError, Int8ub, Int16ub, Struct

from bgpd.errors import RouteRefreshError, RouteRefreshSubcode
from bgpd.families import FAMILIES, Family
from bgpd.messages.framing import MessageType, frame
from bgpd.messages.layout import whole
from bgpd.records import dataclass

_LAYOUT: Final = whole(Struct("afi" / Int16ub, "subtype" / Int8ub, "safi" / Int8ub))


class Subtype(IntEnum):
    """Message subtype (RFC 7313 3.2); one with another number is ignored."""

    REQUEST = 0
    BEGIN = 1
    END = 2


@dataclass(frozen=True, slots=True)
class RouteRefresh:
    """A ROUTE-REFRESH; the numbers may be ones that we do not know."""

    afi: int
    safi: int
    subtype: int = Subtype.REQUEST

    def encode(self) -> bytes:
        """Return the framed message."""
        body: bytes = _LAYOUT.build({"it": {"afi": self.afi, "subtype": self.subtype, "safi": self.safi}})
        return frame(MessageType.ROUTE_REFRESH, body)

    @property
    def family(self) -> Family | None:
        """The family, None = we do not have it."""
        return FAMILIES.get((self.afi, self.safi))


def decode(body: bytes) -> RouteRefresh:
    """Return the ROUTE-REFRESH. Raises RouteRefreshError with the whole message as data (RFC 7313 section 5)."""
    try:
        parsed = _LAYOUT.parse(body).it
    except ConstructError as error:
        raise RouteRefreshError(
            RouteRefreshSubcode.INVALID_MESSAGE_LENGTH,
            frame(MessageType.ROUTE_REFRESH, body),
            why=f"ROUTE-REFRESH with a body of {len(body)} octets, expected 4",
        ) from error
    return RouteRefresh(parsed.afi, parsed.safi, parsed.subtype)
