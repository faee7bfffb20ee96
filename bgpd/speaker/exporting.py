"""What lets paths out to an update group: export rules, pools that must not be told, then the peers' export policies.

RFC 4271 9.1.3, RFC 8212; pools: ``[[pool]] export = false``. Verdicts are functions of path and prefix alone.
"""

from collections.abc import Sequence
from typing import Final

from bgpd.addresses import covers, format_prefix
from bgpd.policy.chain import Chain, Verdict
from bgpd.policy.subject import PeerContext
from bgpd.reflector.attributes import reflected
from bgpd.rib.export import OVERHEAD, Exported, ExportRule, Settled, refusal, rewrite, surely_fits
from bgpd.rib.path import Path
from bgpd.rib.splice import Splice, never, splice, surely_passes

_MEMO: Final = 4096


class GroupExporter:
    """The Exporter of one update group (see ``rib.adj_rib_out``). withheld: prefixes of pools that are not exported."""

    def __init__(
        self,
        rule: ExportRule,
        chain: Chain,
        withheld: tuple[bytes, ...],
    ) -> None:
        self.rule = rule
        # Peers of one group differ in names, unless policy asks for those, and AS numbers, which no rule asks for
        self._context = PeerContext(rule.peer_name, rule.peer_type, rule.local_asn, rule.local_asn)
        self._chain = chain
        self._withheld = withheld
        self.judges_prefixes = (chain.looks_at_prefix or bool(withheld)) and not rule.denies_all
        self._surely_fits = surely_fits(rule)
        self._rewritten: dict[tuple[Path, bytes, bytes, Settled], Exported] = {}
        self._surely_passes = surely_passes(rule)
        self._splice = splice(rule)
        self.message: Splice = self._splice
        if self.judges_prefixes:
            self.message = never
        elif chain.has_policies:
            self.message = self._message_as_judged

    def permits(self, path: Path) -> bool:
        """Does ``export`` return something?"""
        if not self._surely_passes(path) and refusal(path, self.rule):
            return False
        if not self._chain.has_policies and len(path.attributes.octets) <= self._surely_fits:
            return True
        verdict = self._verdict(path, b"")
        return verdict.accepted and self._fits(path, verdict)

    def export(self, path: Path) -> Exported | None:
        """Return the path as the group is told it, whatever the prefix; None = not at all."""
        if not self._surely_passes(path) and refusal(path, self.rule):
            return None
        attributes, settled = path.attributes, Settled.NOTHING
        if self._chain.has_policies:
            verdict = self._verdict(path, b"")
            if not verdict.accepted:
                return None
            attributes, settled = verdict.attributes, verdict.settled
        exported = rewrite(path, attributes, self.rule, reflected, settled)
        return exported if len(exported.octets) + OVERHEAD <= self.rule.max_message else None

    def _message_as_judged(self, path: Path, prefixes: Sequence[bytes]) -> bytes:
        """Return what ``message`` does where policy is asked: b"" also for what it rejects or changes."""
        verdict = self._verdict(path, b"")
        is_same = verdict.attributes is path.attributes and verdict.settled is Settled.NOTHING
        return self._splice(path, prefixes) if verdict.accepted and is_same else b""

    def judge(self, path: Path, prefix: bytes) -> Exported | None:
        """Return the path as the group is told it for this prefix, None = not at all."""
        if self._is_withheld(prefix) or (not self._surely_passes(path) and refusal(path, self.rule)):
            return None
        verdict = self._verdict(path, prefix)
        if not verdict.accepted or not self._fits(path, verdict):
            return None
        attributes = verdict.attributes
        key = (path, attributes.octets, attributes.next_hop, verdict.settled)
        exported = self._rewritten.get(key)
        if exported is None:
            if len(self._rewritten) >= _MEMO:
                self._rewritten.clear()
            exported = self._rewritten[key] = rewrite(path, attributes, self.rule, reflected, verdict.settled)
        return exported

    def refusal(self, path: Path, prefix: bytes) -> str:
        """Return why the path does not go out for this prefix, for people; empty = it does."""
        reason = refusal(path, self.rule)
        if reason:
            return reason
        pool = self._is_withheld(prefix)
        if pool:
            return f"pool {format_prefix(self.rule.family, pool)} is not exported"
        verdict = self._verdict(path, prefix)
        if not verdict.accepted:
            return f"export policy: {verdict.rule}"
        if not self._fits(path, verdict):
            return f"its attributes do not fit into a message of {self.rule.max_message} octets"
        return ""

    def policy(self, path: Path, prefix: bytes) -> str:
        """Return the policy rule that lets the path out for this prefix, for people; empty = no policy is asked."""
        if self.rule.denies_all or not self._chain.has_policies:
            return ""
        return self._verdict(path, prefix).describe(path.attributes)

    def _verdict(self, path: Path, prefix: bytes) -> Verdict:
        return self._chain.judge(path, path.attributes, prefix, self._context, path.interface)

    def _is_withheld(self, prefix: bytes) -> bytes:
        for pool in self._withheld:
            if covers(pool, prefix):
                return pool
        return b""

    def _fits(self, path: Path, verdict: Verdict) -> bool:
        attributes = verdict.attributes
        if len(attributes.octets) <= self._surely_fits:
            return True
        octets = rewrite(path, attributes, self.rule, reflected, verdict.settled).octets
        return len(octets) + OVERHEAD <= self.rule.max_message
