"""COMMUNITIES: marks on a route that policies agree on.

RFC 1997; malformed: RFC 7606 7.8. A list of numbers of four octets, by custom an AS and a value of two octets each.
"""

from typing import Final

from bgpd.messages.attributes.numbers import decode_list, encode_list
from bgpd.messages.attributes.spec import OPTIONAL, TRANSITIVE, AttributeSpec, Outcome

SPEC: Final[AttributeSpec[tuple[int, ...]]] = AttributeSpec(
    8, "COMMUNITIES", OPTIONAL | TRANSITIVE, decode_list, encode_list, Outcome.TREAT_AS_WITHDRAW, "communities", ()
)
