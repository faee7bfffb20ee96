"""The border of our AS: what we change of a path as it comes in from outside, before policy sees it.

RFC 9234 section 5 (OTC set on the way in), RFC 7705 section 3 (the local AS in front of received paths), RFC 4360
section 6 (extended communities that do not cross the border of an AS). Once for a path; the Adj-RIB-In keeps what the
peer sent. The way out is ``export``.
"""

from typing import Final

from bgpd.identity import Asn
from bgpd.messages.attributes.as_path import prepend
from bgpd.messages.attributes.block import replace
from bgpd.messages.attributes.extended_communities import transitive
from bgpd.messages.attributes.model import Attributes
from bgpd.records import dataclass


@dataclass(frozen=True, slots=True)
class Border:
    """What happens to each path of one session. prepended: goes in front of AS_PATH. otc: set where there is none.

    is_crossed: the peer is in another AS, outside our confederation.
    """

    prepended: Asn | None = None
    otc: Asn | None = None
    is_crossed: bool = False

    def passed(self, attributes: Attributes) -> Attributes:
        """Return the attributes as we take them in: the same object if nothing has to change."""
        is_filtered = not attributes.is_everyday and (
            attributes.extended_communities or attributes.ipv6_extended_communities
        )
        if self.prepended is None and self.otc is None and not is_filtered:
            return attributes
        changes: dict[str, object] = {}
        if self.prepended is not None:
            changes["as_path"] = prepend(attributes.as_path, self.prepended)
        if self.otc is not None and attributes.otc is None:
            changes["otc"] = self.otc
        if self.is_crossed and is_filtered:
            for name, given in (
                ("extended_communities", attributes.extended_communities),
                ("ipv6_extended_communities", attributes.ipv6_extended_communities),
            ):
                kept = transitive(given)
                if len(kept) < len(given):
                    changes[name] = kept
        return replace(attributes, **changes) if changes else attributes


NO_BORDER: Final = Border()
