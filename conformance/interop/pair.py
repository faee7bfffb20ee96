"""bgpd and BIRD, each in a namespace of its own, joined by a wire."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from conformance.interop.bird import Bird
from conformance.interop.daemon import Daemon
from conformance.interop.our_side import CONTAINER_DEVICE, OurSide, use_addresses_at_once
from conformance.interop.plan import DEVICE, NODE, Plan
from conformance.interop.waiting import LIMIT, NotYet, eventually
from tests.support.netns import Namespace, join, namespaces

_FAMILIES: Final = ("ipv4", "ipv6")
_MASK: Final = {"ipv4": 24, "ipv6": 64}


@dataclass(frozen=True, slots=True)
class Pair(OurSide):
    """The two of them; neither runs yet. here, there: the namespaces."""

    bird: Bird
    there: Namespace

    def state(self, plan: Plan) -> tuple[str, str]:
        """Return the session's state at our end and at BIRD's."""
        return self.bgpd.peers()[plan.name].state, self.bird.bgp_state(plan.protocol)

    def wait_established(self, plans: Iterable[Plan], limit: float = LIMIT) -> None:
        """Wait until these sessions are up at both ends."""
        names = [plan.name for plan in plans]

        def is_up() -> bool:
            rows = self.bgpd.peers()
            down = [f"{name} is {rows[name].state} ({rows[name].last_error})" for name in names if not rows[name].is_up]
            if down:
                raise NotYet("; ".join(down))
            return True

        eventually("all sessions are established", is_up, limit)


@contextmanager
def pair(directory: Path, plans: Iterable[Plan]) -> Iterator[Pair]:
    """Make namespaces with the addresses of these plans; end both daemons and delete them at the end."""
    plans = list(plans)
    with namespaces("bgpd", "bird") as (here, there):
        for namespace in (here, there):
            use_addresses_at_once(namespace)
        join(here, DEVICE, there, DEVICE)
        join(here, CONTAINER_DEVICE, there, "unused")
        here.ip_batch(_addresses(plans, NODE, is_ours=True))
        there.ip_batch(_addresses(plans, {"ipv4": "10.0.0.2", "ipv6": "fd00::2"}, is_ours=False))
        made = Pair(Daemon(here, directory), here, Bird(there, directory), there)
        try:
            yield made
        finally:
            made.bgpd.stop()
            made.bird.stop()
        assert made.bgpd.faults() == []


def _addresses(plans: Iterable[Plan], first: dict[str, str], *, is_ours: bool) -> Iterator[str]:
    for family in _FAMILIES:
        own = [plan.our_address(family) if is_ours else plan.bird_address(family) for plan in plans]
        for address in (first[family], *own):
            nodad = " nodad" if family == "ipv6" else ""
            yield f"address add {address}/{_MASK[family]} dev {DEVICE}{nodad}"
