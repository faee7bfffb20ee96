"""MULTI_EXIT_DISC: which of our entry points a neighbouring AS should prefer.

RFC 4271 4.3 d, 5.1.4; malformed: RFC 7606 7.4. Four octets, unsigned, lower wins; absent compares as 0 (9.1.2.2 c) but
is not sent as 0.
"""

from typing import Final

from bgpd.messages.attributes.numbers import decode, encode
from bgpd.messages.attributes.spec import OPTIONAL, AttributeSpec, Outcome

SPEC: Final[AttributeSpec[int | None]] = AttributeSpec(
    4, "MULTI_EXIT_DISC", OPTIONAL, decode, encode, Outcome.TREAT_AS_WITHDRAW, "med", None
)
