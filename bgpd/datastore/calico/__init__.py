"""Calico's layout in etcd, read: the sessions, policies, networks and pools that a node of the cluster has.

Pure: keys and values in, a configuration out. ``layout`` knows the keys, ``resources``, ``filters`` and ``flat`` the
values, ``sessions`` and ``announcing`` the rules, ``cluster`` holds it all, ``merge`` joins it with the file.
"""

from bgpd.datastore.calico.cluster import Cluster
from bgpd.datastore.calico.layout import prefixes
from bgpd.datastore.calico.merge import ClusterConfig
from bgpd.datastore.calico.peers import Secrets
from bgpd.datastore.calico.problems import Problem

__all__ = ["Cluster", "ClusterConfig", "Problem", "Secrets", "prefixes"]
