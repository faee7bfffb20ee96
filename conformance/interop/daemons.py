"""The other daemons, one line each."""

from typing import Final

from conformance.interop.bird_router import BIRD
from conformance.interop.exabgp import EXABGP
from conformance.interop.frr import FRR
from conformance.interop.gobgp import GOBGP
from conformance.interop.openbgpd import OPENBGPD
from conformance.interop.peer_daemon import Kind

KINDS: Final[tuple[Kind, ...]] = (BIRD, FRR, OPENBGPD, GOBGP, EXABGP)
