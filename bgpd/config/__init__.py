"""bgp.toml: its model, its reader and checks, what it resolves to, and what two of them differ in."""

from bgpd.config.diff import Changes, PeerChange, RangeChange, diff
from bgpd.config.model import Config
from bgpd.config.problems import ConfigError, Problem
from bgpd.config.resolve import resolve, resolve_process
from bgpd.config.resolved import (
    Resolved,
    ResolvedControl,
    ResolvedEtcd,
    ResolvedHttp,
    ResolvedKernel,
    ResolvedLearn,
    ResolvedLog,
    ResolvedMesh,
    ResolvedNetwork,
    ResolvedNode,
    ResolvedPeer,
    ResolvedPool,
    ResolvedProcess,
    ResolvedRange,
)
from bgpd.config.toml import load, parse

__all__ = [
    "Changes",
    "Config",
    "ConfigError",
    "PeerChange",
    "Problem",
    "RangeChange",
    "Resolved",
    "ResolvedControl",
    "ResolvedEtcd",
    "ResolvedHttp",
    "ResolvedKernel",
    "ResolvedLearn",
    "ResolvedLog",
    "ResolvedMesh",
    "ResolvedNetwork",
    "ResolvedNode",
    "ResolvedPeer",
    "ResolvedPool",
    "ResolvedProcess",
    "ResolvedRange",
    "diff",
    "load",
    "parse",
    "resolve",
    "resolve_process",
]
