"""LOCAL_PREF: how much our AS likes the route.

RFC 4271 4.3 e, 5.1.5; malformed or from another AS: RFC 7606 7.5. Four octets, unsigned, higher wins.
"""

from typing import Final

from bgpd.messages.attributes.numbers import decode, encode
from bgpd.messages.attributes.spec import WELL_KNOWN, AttributeSpec, Outcome

SPEC: Final[AttributeSpec[int | None]] = AttributeSpec(
    5, "LOCAL_PREF", WELL_KNOWN, decode, encode, Outcome.TREAT_AS_WITHDRAW, "local_pref", None, is_internal=True
)
