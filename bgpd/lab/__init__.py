"""Clusters of network namespaces on one machine: the demo, the test bed, the first thing a newcomer runs."""

from bgpd.lab.cluster import Lab
from bgpd.lab.command import run
from bgpd.lab.options import LabError, LabOptions, Underlay

__all__ = ["Lab", "LabError", "LabOptions", "Underlay", "run"]
