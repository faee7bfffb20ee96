"""A daemon that is only its answers: what the API's and bgpctl's tests ask."""

from collections.abc import Iterator
from itertools import islice

from msgspec import structs

from bgpd.addresses import format_prefix
from bgpd.api.health import Health
from bgpd.api.operations import SLICE, PolicyQuery, Refused, RouteQuery, Slice
from bgpd.api.rows import (
    Candidate,
    ClusterNodeRow,
    ClusterSessionRow,
    ClusterView,
    Explanation,
    Export,
    FamilyCount,
    FibLeg,
    FibRow,
    MessageCount,
    Outcome,
    PeerDetail,
    PeerRow,
    PolicyStep,
    PolicyTrial,
    Proposal,
    RouteRow,
    StatusRow,
)
from bgpd.api.statistics import (
    DatastoreStatistics,
    FamilyStatistics,
    FibStatistics,
    Histogram,
    PeerStatistics,
    Statistics,
)
from bgpd.families import IPV4_UNICAST

UP = PeerRow("tor-r2", "172.18.0.1", "tor", "ebgp", 65020, "Established", 1_760_000_000.0, 7, 6, 5, "", is_up=True)
DOWN = PeerRow(
    "fe80::1%eth0", "fe80::1", "", "ibgp", 64512, "Connect", 1_760_000_000.0, 0, 0, 0, "Socket: Connection refused"
)


class Answers:
    """Fixed answers, and a record of the commands."""

    def __init__(self, prefixes: int = 3) -> None:
        self.commands: list[str] = []
        self.queries: list[PolicyQuery] = []
        self.prefixes = prefixes
        self.peer_rows = [UP, DOWN]
        self.turns = 0

    def status(self) -> StatusRow:
        up = sum(row.is_up for row in self.peer_rows)
        return StatusRow(
            "0.1.0", "worker-1", 64512, "172.18.4.13", "ok" if up == len(self.peer_rows) else "degraded",
            1_760_000_000.0, None, len(self.peer_rows), up, {"ipv4-unicast": self.prefixes}, 2, 0, 1, 4, 0.0012,
            ("peer down",),
        )  # fmt: skip

    def peers(self) -> list[PeerRow]:
        return self.peer_rows

    def peer(self, name: str) -> PeerDetail:
        for row in self.peer_rows:
            if row.name == name:
                return PeerDetail(
                    row, 179, "172.18.4.13", 64512, False, True, "", ("only-pods",), (), 1, None, 0, False,
                    (FamilyCount("ipv4-unicast", 7, 6, 5),), (MessageCount("UPDATE", 3, 4),), 1000, 2000,
                    {"hold time": "90 s"}, {},
                )  # fmt: skip
        raise Refused(404, f"no peer {name}", "see bgpctl peers")

    def routes(self, query: RouteQuery) -> Iterator[Slice[RouteRow]]:
        keys = iter(range(query.start, self.prefixes))
        position, left = query.start, query.limit or self.prefixes
        while chunk := list(islice(keys, min(SLICE, left))):
            self.turns += 1
            position += len(chunk)
            left -= len(chunk)
            rows = [self._route(number) for number in chunk]
            yield Slice(rows, position if position < self.prefixes else None)
        if position >= self.prefixes and query.start >= self.prefixes:
            yield Slice([], None)

    def routes_in(self, peer: str, query: RouteQuery) -> Iterator[Slice[RouteRow]]:
        self.peer(peer)
        return self.routes(query)

    def routes_out(self, peer: str, query: RouteQuery) -> Iterator[Slice[RouteRow]]:
        self.peer(peer)
        return self.routes(query)

    def fib(self, query: RouteQuery) -> Iterator[Slice[FibRow]]:
        good = FibRow("10.65.7.0/26", "unicast", (FibLeg("172.18.4.20", "eth0"),), "installed", peer="tor-r2")
        bad = FibRow("10.65.8.0/26", "unicast", (FibLeg("172.18.4.21", "tunl0", True),), "failed", "File exists")
        yield Slice([good, bad], None)

    def explain(self, query: RouteQuery) -> Explanation:
        assert query.family is not None
        assert query.prefix is not None
        text = format_prefix(query.family, query.prefix)
        route = RouteRow(text, "172.18.4.20", "tor-r2", "65020", "IGP", is_best=True)
        return Explanation(
            text,
            (Candidate(route, "best", "only path", "on the link eth0"),),
            (Export("mesh", False, "not wanted"),),
            None,
            "the kernel is left alone ([kernel] enabled = false)",
        )

    def policy_trial(self, query: PolicyQuery) -> PolicyTrial:
        self.queries.append(query)
        text = format_prefix(query.family, query.prefix)
        route = RouteRow(text, "172.18.4.20", "tor-r2", "65020", "IGP")
        step = PolicyStep("only-pods", "rule 1", "accept", True, (), ("set_med 5",))
        return PolicyTrial(
            text, query.peer, "import", ("only-pods",), "as described", (step,), True, "only-pods rule 1", route,
            structs.replace(route, med=5), ("a note",),
        )  # fmt: skip

    def statistics(self) -> Statistics:
        lag = Histogram((0.01, 0.1))
        lag.observe(0.05)
        peer = PeerStatistics(
            "tor-r2", "172.18.0.1", 65020, "ebgp", "Established", 60.0, 2, "Hold Timer Expired", {"UPDATE": 3},
            {"UPDATE": 4}, 1000, 2000, 10, 20, (FamilyStatistics("ipv4-unicast", 7, 6, 5),),
        )  # fmt: skip
        return Statistics(
            "0.1.0", 1_760_000_000.0, (peer,), {"ipv4-unicast": 3}, 1, 2, 4, FibStatistics(2, 0, 1, errors=3),
            dict.fromkeys(("event_loop_lag", "convergence_sent", "convergence_written"), ("Time.", lag)),
            {"ipv4-unicast": 2}, 5, 0.75, DatastoreStatistics(True, 42, 1_760_000_000.0, ("/calico/x",), 2, 1, 3),
        )  # fmt: skip

    def health(self) -> Health:
        return Health(all(row.is_up for row in self.peer_rows), "one peer is down")

    async def cluster(self) -> ClusterView:
        nodes = (ClusterNodeRow("worker-1", "up", "0.1.0", 64512, "172.18.4.13", 1_760_000_000.0, 1, 2, 7),)
        nodes += (ClusterNodeRow("worker-2", "dead"),)
        up = ClusterSessionRow("worker-1", "172.18.4.13", "Established", "172.18.0.1", "172.18.0.1", "", "up")
        down = ClusterSessionRow("worker-1", "172.18.4.13", "Active", "worker-2", "172.18.4.14", "", "dead", "Refused")
        return ClusterView(nodes, (up, down), 1)

    async def plan(self, proposal: Proposal) -> Outcome:
        if "nonsense" in (proposal.text or ""):
            raise Refused(422, f"{proposal.file}: nonsense: unknown key", "mend the file")
        return Outcome(("peer tor-r2: reset, as asn changed",))

    async def reload(self) -> Outcome:
        self.commands.append("reload")
        return Outcome(("peer tor-r2 added",))

    def drain(self, peer: str, wait: float) -> Outcome:
        del wait
        self.commands.append(f"drain {peer}".strip())
        return Outcome(("drained",))

    def undrain(self, peer: str) -> Outcome:
        self.commands.append(f"undrain {peer}".strip())
        return Outcome(("brought back",))

    def reset(self, peer: str) -> Outcome:
        return self._do("reset", peer)

    def hard_reset(self, peer: str) -> Outcome:
        return self._do("hard-reset", peer)

    def enable(self, peer: str) -> Outcome:
        return self._do("enable", peer)

    def disable(self, peer: str) -> Outcome:
        return self._do("disable", peer)

    def set_log_level(self, level: str) -> Outcome:
        self.commands.append(f"log-level {level}")
        return Outcome((f"level {level}",))

    def _do(self, what: str, peer: str) -> Outcome:
        self.peer(peer)
        self.commands.append(f"{what} {peer}")
        return Outcome((f"{peer}: {what}",))

    @staticmethod
    def _route(number: int) -> RouteRow:
        prefix = bytes((24,)) + number.to_bytes(3)
        return RouteRow(format_prefix(IPV4_UNICAST, prefix), "172.18.4.20", "tor-r2", "65020", "IGP", 100, is_best=True)
