"""Import and export policy: typed rules, and the chain of them that decides about a route."""

from bgpd.policy.chain import Chain, PathJudge, Verdict
from bgpd.policy.rules import Action, Changes, Comparison, Conditions, Delta, Policy, Quantifier, Removal, Rule
from bgpd.policy.sets import AsSet, CommunitySet, PrefixEntry, PrefixSet
from bgpd.policy.subject import PeerContext

__all__ = [
    "Action",
    "AsSet",
    "Chain",
    "Changes",
    "CommunitySet",
    "Comparison",
    "Conditions",
    "Delta",
    "PathJudge",
    "PeerContext",
    "Policy",
    "PrefixEntry",
    "PrefixSet",
    "Quantifier",
    "Removal",
    "Rule",
    "Verdict",
]
