"""What lets received paths in: BGP's own rules, reflection loops, then the peer's import policies.

RFC 4271 9.1, RFC 4456 section 8, RFC 8212, RFC 9234 section 5 (route leaks), RFC 8326 and RFC 7999 (what communities
ask for). One object for each peer and family; all that it decides it can say the reason of.
"""

from collections.abc import Callable, Collection
from typing import Final

from bgpd.communities import BLACKHOLE
from bgpd.identity import BgpIdentifier, Role
from bgpd.messages.attributes.model import Attributes, Fault
from bgpd.messages.attributes.spec import TreatAsWithdraw
from bgpd.policy.chain import Chain, Verdict
from bgpd.policy.signals import Signals
from bgpd.policy.subject import PeerContext
from bgpd.reflector.attributes import loop
from bgpd.rib import only_to_customer
from bgpd.rib.admission import Admission
from bgpd.rib.border import NO_BORDER, Border
from bgpd.rib.decision import rank
from bgpd.rib.next_hops import NextHopTable
from bgpd.rib.path import NextHop, Path
from bgpd.speaker.origin_check import OriginCheck

_MEMO: Final = 4096  # judged copies that are kept for sharing


class PeerImporter:
    """The Importer of one peer's Adj-RIB-In (see ``rib.adj_rib_in``).

    origins: what nodes of the cluster may announce, None = this is none of them. report: hears (kind of fault,
    reason) of what is set aside; it has to limit its own rate. treated_as_withdraw, discards, rejected: counts of
    attribute blocks (RFC 7606), attributes and paths.
    """

    def __init__(
        self,
        admission: Admission,
        identifier: BgpIdentifier,
        cluster_id: BgpIdentifier | None,
        chain: Chain,
        context: PeerContext,
        next_hops: NextHopTable,
        report: Callable[[str, str], None],
        signals: Signals,
        *,
        denies_all: bool,
        border: Border = NO_BORDER,
        role: Role | None = None,
        origins: OriginCheck | None = None,
    ) -> None:
        self._admission = admission
        self._identifier = identifier
        self._cluster_id = cluster_id
        self._chain = chain
        self._context = context
        self._next_hops = next_hops
        self._report = report
        self._signals = signals
        self._denies_all = denies_all
        self._border = border
        self._role = role
        self._origins = origins
        self._copies: dict[tuple[Path, bytes, bytes, int, bool], Path] = {}
        self._given: set[NextHop] = set()
        takes_black_holes = signals.black_hole_length is not None
        # RFC 7999: policy may ask in the peer's place
        self._adds_black_holes = takes_black_holes and BLACKHOLE in chain.adds
        self.judges_prefixes = (chain.looks_at_prefix or takes_black_holes or origins is not None) and not denies_all
        # An everyday path has nothing that signals, roles, the border's filter or a reflector would ask for
        is_changed = signals.is_leaving or border.prepended is not None or border.otc is not None
        self.everyday_rules = None if denies_all or chain.has_policies or is_changed else admission
        self.treated_as_withdraw = 0
        self.discards = 0
        self.rejected = 0

    def admit(self, path: Path) -> None:
        """Settle what does not depend on the prefix."""
        attributes = path.attributes
        is_everyday = attributes.is_everyday
        if is_everyday and self.everyday_rules is not None and self._admission.surely_passes(path):
            return  # a new path is let in
        leak = ""
        if not is_everyday and attributes.otc is not None:
            leak = only_to_customer.leak(self._role, attributes.otc, path.source.asn)
        path.rejected = leak or self._admission.refusal(path)
        is_asking = self._is_asking(attributes)
        if (
            path.rejected
            and not leak
            and (is_asking or self._chain.sets_next_hop)
            and path.rejected == self._admission.next_hop_refusal(path)
        ):
            path.rejected = ""  # ``_unusable`` says it of what becomes neither a black hole nor gets another next hop
        if not path.rejected and not is_everyday and (attributes.originator_id is not None or attributes.cluster_list):
            path.rejected = loop(attributes, self._identifier, self._cluster_id)
        if not path.rejected and self._denies_all:
            path.rejected = "eBGP session without an import policy (RFC 8212)"
        if not path.rejected:
            path.taken = self._border.passed(attributes)
            if not self._chain.has_policies:
                path.imported = self._as_judged(path, path.taken)
            elif not self._chain.looks_at_prefix:
                verdict = self._verdict(path, b"")
                if not verdict.accepted:
                    path.rejected = f"import policy: {verdict.rule}"
                else:
                    path.imported = judged = self._as_judged(path, verdict.attributes, verdict.weight)
                    path.rejected = "" if is_asking else self._unusable(judged)
        if path.rejected:
            path.imported = None
            self.rejected += 1
            self._report("route leak" if leak else "path rejected", path.rejected)

    def _is_asking(self, attributes: Attributes) -> bool:
        """May some prefix with these attributes become a black hole?"""
        return self._adds_black_holes or (not attributes.is_everyday and self._signals.asks_black_hole(attributes))

    def judge(self, path: Path, prefix: bytes) -> Path | None:
        """Return what import policy makes of the path for this prefix, None = rejected."""
        if self._origins is not None and (reason := self._origins.refusal(path, prefix)):
            self._report("block refused", reason)
            return None
        is_asking = self._is_asking(path.attributes)
        if not is_asking and not self._chain.looks_at_prefix:
            return path.imported
        verdict = self._verdict(path, prefix)
        if not verdict.accepted:
            return None
        if is_asking and self._signals.grants_black_hole(verdict.attributes, prefix):
            return self._as_judged(path, verdict.attributes, verdict.weight, is_black_hole=True)
        judged = self._as_judged(path, verdict.attributes, verdict.weight)
        return None if (is_asking or self._chain.sets_next_hop) and self._unusable(judged) else judged

    def refusal(self, path: Path, prefix: bytes) -> str:
        """Return why the path is not used for this prefix, for people; empty = it is."""
        if path.rejected or not self.judges_prefixes:
            return path.rejected
        if self._origins is not None and (reason := self._origins.refusal(path, prefix)):
            return reason
        verdict = self._verdict(path, prefix)
        if not verdict.accepted:
            return f"import policy: {verdict.rule}"
        if self._signals.grants_black_hole(verdict.attributes, prefix):
            return ""
        return self._unusable(self._as_judged(path, verdict.attributes, verdict.weight))

    def black_hole_refusal(self, path: Path, prefix: bytes) -> str:
        """Return why the path is no black hole although it asks for it, for people; empty = it does not ask, or is."""
        return self._signals.black_hole_refusal(path.attributes, prefix)

    def policy(self, path: Path, prefix: bytes) -> str:
        """Return the policy rule that let the path in for this prefix, for people; empty = no policy was asked."""
        if self._denies_all or not self._chain.has_policies:
            return ""
        return self._verdict(path, prefix).describe(path.taken)

    def _verdict(self, path: Path, prefix: bytes) -> Verdict:
        return self._chain.judge(path, path.taken, prefix, self._context, path.interface)

    def refused(self, fault: TreatAsWithdraw) -> None:
        """Count and report an attribute block that makes its prefixes withdrawn (RFC 7606 section 2)."""
        self.treated_as_withdraw += 1
        self._report("treated as withdraw", str(fault))

    def discarded(self, faults: tuple[Fault, ...]) -> None:
        """Count and report attributes that were set aside (RFC 7606 section 2)."""
        self.discards += len(faults)
        for fault in faults:
            self._report("attribute discarded", f"{fault.attribute}: {fault.why}")

    def points_to(self, changed: Collection[NextHop]) -> bool:
        """Has policy given paths one of these next hops? They are no longer used if so."""
        found = self._given.intersection(changed)
        self._given -= found
        return bool(found)

    def _unusable(self, judged: Path) -> str:
        """Return why the next hop that policy left a path with is of no use, for people; empty = it is."""
        return self._admission.next_hop_refusal(judged)

    def _as_judged(self, path: Path, attributes: Attributes, weight: int = 0, *, is_black_hole: bool = False) -> Path:
        """Return the path as border, policy and signals left it: itself, or a copy that prefixes judged alike share."""
        if self._signals.is_leaving or (not attributes.is_everyday and self._signals.is_last_resort(attributes)):
            weight = 0
        elif attributes is path.attributes and not weight and not is_black_hole:
            return path
        key = (path, attributes.octets, attributes.next_hop, weight, is_black_hole)
        copy = self._copies.get(key)
        if copy is None:
            attributes = self._signals.apply(attributes)
            if attributes is path.attributes and not weight and not is_black_hole:
                return path
            if is_black_hole:
                attributes = self._signals.as_black_hole(attributes)
            hop = path.next_hop
            if attributes.next_hop != path.attributes.next_hop:
                hop = self._next_hops.get(attributes.next_hop, hop.interface)
                self._given.add(hop)
            copy = Path(path.source, path.family, attributes, hop)
            copy.is_stale = path.is_stale
            copy.weight = weight
            copy.is_black_hole = is_black_hole
            rank(copy)
            if len(self._copies) >= _MEMO:
                self._copies.clear()
            self._copies[key] = copy
        return copy
