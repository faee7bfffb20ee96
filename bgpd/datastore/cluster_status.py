"""What each bgpd tells the others of itself in etcd: ``/bgpd/v1/status/<node>``, and what all of them say together.

One small JSON document a node: sessions are only the addresses of the other ends, grouped by state, so a node of a
thousand writes about 12 kB. It stands under a lease, so a node that is gone is one without a key. Times are Unix time.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from bgpd.records import dataclass

STATUS_PREFIX: Final = "/bgpd/v1/status/"
MOST_ERRORS: Final = 20  # sessions whose last error is told
LONGEST_ERROR: Final = 100  # characters
IPV4_OCTETS: Final = 4
IPV6_OCTETS: Final = 16
ESTABLISHED: Final = "Established"
_ORDER: Final = (ESTABLISHED, "OpenConfirm", "OpenSent", "Connect", "Active", "Idle")


class NodeStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """One node. addresses: ours, that others may peer with. sessions: state → addresses of the other ends.

    errors: address → last error of a session that is not up. routes: by family. role: in a mesh that elects reflectors.
    """

    version: str
    node: str
    identifier: str
    asn: int
    since: int
    addresses: tuple[str, ...] = ()
    sessions: dict[str, tuple[str, ...]] = {}
    errors: dict[str, str] = {}
    routes: dict[str, int] = {}
    role: str = ""

    def settled(self) -> "NodeStatus":
        """Return it without what goes to and fro: a session that is not up dials, waits and dials again."""
        down = sorted(address for state, there in self.sessions.items() if state != ESTABLISHED for address in there)
        up = tuple(sorted(self.sessions.get(ESTABLISHED, ())))
        return msgspec.structs.replace(self, sessions={ESTABLISHED: up, "": tuple(down)})

    def gist(self) -> "NodeStatus":
        """Return what is worth telling at once: no counts, no reasons."""
        return msgspec.structs.replace(self.settled(), routes={}, errors={})


@dataclass(frozen=True, slots=True)
class Ends:
    """A session from both ends; see ``api.rows.ClusterSessionRow``."""

    node: str
    address: str
    state: str
    other: str
    other_address: str
    other_state: str
    verdict: str
    why: str


def decode(value: bytes) -> NodeStatus | None:
    """Return a status, None = it is none that this version knows."""
    try:
        return msgspec.json.decode(value, type=NodeStatus)
    except msgspec.DecodeError:
        return None


def encode(status: NodeStatus) -> bytes:
    """Return the value of a status key."""
    return msgspec.json.encode(status)


def sessions(statuses: Iterable[NodeStatus], dead: Mapping[str, str]) -> Iterator[Ends]:
    """Yield every session once, by the name of the first of its ends. dead: address → listed node without a status."""
    nodes = {status.node: status for status in statuses}
    owners = {address: name for name, status in nodes.items() for address in status.addresses}
    views = {name: _by_other(status, owners) for name, status in nodes.items()}
    own = {(name, _size(one)): one for name, status in nodes.items() for one in reversed(status.addresses)}
    for name in sorted(nodes):
        for (other, family), (address, state) in sorted(views[name].items()):
            why = nodes[name].errors.get(address, "")
            if other not in nodes:
                gone = dead.get(address, "")
                verdict = "dead" if gone else "up" if state == ESTABLISHED else "down"
                yield Ends(name, own.get((name, family), ""), state, gone or other, address, "", verdict, why)
                continue
            back = views[other].get((name, family))
            if back is None:
                yield Ends(name, own.get((name, family), ""), state, other, address, "", "one end", why)
            elif name <= other:
                reasons = (why, nodes[other].errors.get(back[0], ""))
                yield Ends(
                    name,
                    back[0],
                    state,
                    other,
                    address,
                    back[1],
                    _verdict(state, back[1]),
                    "; ".join(filter(None, reasons)),
                )


def _by_other(status: NodeStatus, owners: Mapping[str, str]) -> dict[tuple[str, int], tuple[str, str]]:
    """Return (node or address of the other end, size of its address) → (address, best state)."""
    found: dict[tuple[str, int], tuple[str, str]] = {}
    for state in sorted(status.sessions, key=_rank, reverse=True):
        for address in status.sessions[state]:
            found[owners.get(address, address), _size(address)] = (address, state)
    return found


def _rank(state: str) -> int:
    return _ORDER.index(state) if state in _ORDER else len(_ORDER)


def _size(address: str) -> int:
    return IPV6_OCTETS if ":" in address else IPV4_OCTETS


def _verdict(one: str, other: str) -> str:
    up = (one == ESTABLISHED) + (other == ESTABLISHED)
    return ("down", "mismatch", "up")[up]
