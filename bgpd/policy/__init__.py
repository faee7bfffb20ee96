"""Import and export policy: typed rules, and the chain of them that decides about a route."""

from bgpd.policy.chain import Chain, PathJudge, Verdict
from bgpd.policy.rules import Action, Changes, Comparison, Conditions, Policy, Quantifier, Rule
from bgpd.policy.subject import PeerContext

__all__ = [
    "Action",
    "Chain",
    "Changes",
    "Comparison",
    "Conditions",
    "PathJudge",
    "PeerContext",
    "Policy",
    "Quantifier",
    "Rule",
    "Verdict",
]
