"""bgpd and two routers of another daemon, one of our AS and one of another, on one wire.

Each in a namespace of its own; the wire is a bridge in ours.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from conformance.interop.daemon import Daemon
from conformance.interop.our_side import CONTAINER_DEVICE, OurSide, use_addresses_at_once
from conformance.interop.peer_daemon import Kind, PeerDaemon
from conformance.interop.peering import EXTERNAL_ASN, FAMILIES, Peering, bgpd_config
from conformance.interop.plan import DEVICE, NODE, OUR_ASN
from conformance.interop.waiting import LIMIT, NotYet, eventually
from tests.support.netns import Namespace, join, namespaces

INNER: Final = {"ipv4": "10.0.0.2", "ipv6": "fd00::2"}  # first addresses of the router of our AS
OUTER: Final = {"ipv4": "10.0.0.3", "ipv6": "fd00::3"}  # and of the other
_MASK: Final = {"ipv4": 24, "ipv6": 64}


@dataclass(frozen=True, slots=True)
class Meeting(OurSide):
    """The three of them. inside: namespace of the inner router; outside: of the outer one."""

    kind: Kind
    inner: PeerDaemon
    outer: PeerDaemon
    inside: Namespace
    outside: Namespace

    def of(self, peering: Peering) -> PeerDaemon:
        """Return the router at the other end."""
        return self.inner if peering.is_internal else self.outer

    def there(self, peering: Peering) -> Namespace:
        """Return that router's namespace."""
        return self.inside if peering.is_internal else self.outside

    def state(self, peering: Peering) -> tuple[str, str]:
        """Return the session's state at our end and at theirs."""
        return self.bgpd.peers()[peering.name].state, self.of(peering).state(peering)

    def wait_established(self, peerings: Iterable[Peering], limit: float = LIMIT) -> None:
        """Wait until these sessions are up."""
        names = [peering.name for peering in peerings]

        def is_up() -> bool:
            rows = self.bgpd.peers()
            down = [f"{name} is {rows[name].state} ({rows[name].last_error})" for name in names if not rows[name].is_up]
            if down:
                raise NotYet("; ".join(down))
            return True

        eventually("all sessions are established", is_up, limit)


@contextmanager
def meeting(kind: Kind, directory: Path, peerings: Iterable[Peering], extra: str = "") -> Iterator[Meeting]:
    """Make the namespaces and configure all; nothing runs yet. At the end all is ended and deleted.

    extra: further tables of bgp.toml.
    """
    peerings = tuple(peerings)
    with namespaces("bgpd", "inner", "outer") as (here, inside, outside):
        _wire(here, inside, outside)
        _address(here, peerings, NODE, is_ours=True)
        inner_peerings = tuple(peering for peering in peerings if peering.is_internal)
        outer_peerings = tuple(peering for peering in peerings if not peering.is_internal)
        _address(inside, inner_peerings, INNER, is_ours=False)
        _address(outside, outer_peerings, OUTER, is_ours=False)
        inner = kind.make(inside, directory / "inner", OUR_ASN, INNER["ipv4"])
        outer = kind.make(outside, directory / "outer", EXTERNAL_ASN, OUTER["ipv4"])
        made = Meeting(Daemon(here, directory / "bgpd"), here, kind, inner, outer, inside, outside)
        made.bgpd.configure(bgpd_config(peerings, extra))
        inner.configure(inner_peerings)
        outer.configure(outer_peerings)
        try:
            yield made
        finally:
            made.bgpd.stop()
            made.inner.stop()
            made.outer.stop()
        assert made.bgpd.faults() == []


def _wire(here: Namespace, inside: Namespace, outside: Namespace) -> None:
    """Join three namespaces by a bridge in ours, and give us a device for containers."""
    for namespace in (here, inside, outside):
        use_addresses_at_once(namespace)
    here.ip(f"link add {DEVICE} type bridge")
    here.ip(f"link set {DEVICE} up")
    for port, namespace in (("inner", inside), ("outer", outside)):
        join(here, port, namespace, DEVICE)
        here.ip(f"link set {port} master {DEVICE}")
    join(here, CONTAINER_DEVICE, inside, "unused")


def _address(namespace: Namespace, peerings: Iterable[Peering], first: dict[str, str], *, is_ours: bool) -> None:
    lines = [
        f"address add {address}/{_MASK[family]} dev {DEVICE}{' nodad' if family == 'ipv6' else ''}"
        for family in FAMILIES
        for address in (
            first[family],
            *(peering.our_address(family) if is_ours else peering.their_address(family) for peering in peerings),
        )
    ]
    if not is_ours:
        lines += [
            f"address add {peering.inside(family)}/{32 if family == 'ipv4' else 128} dev lo"
            for peering in peerings
            for family in peering.families
        ]
    namespace.ip_batch(lines)
