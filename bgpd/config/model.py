"""bgp.toml as it is written: one Struct for each table (see ``config.tables``), one field for each key.

Times are seconds. ``None`` is a key that is not there: what that means is in the key's description or in ``resolve``.
"""

from bgpd.config.tables.cluster import CalicoTable, EtcdTable, MeshTable
from bgpd.config.tables.kernel import KernelTable, PoolTable
from bgpd.config.tables.node import NetworkTable, NodeTable
from bgpd.config.tables.peer import PeerRangeTable, PeerTable
from bgpd.config.tables.policy import AsSetTable, CommunitySetTable, NextHopSetTable, PolicyTable, PrefixSetTable
from bgpd.config.tables.process import ControlTable, HttpTable, LogTable
from bgpd.config.tables.session import SessionTable
from bgpd.config.tables.table import Table


class Config(Table, frozen=True, kw_only=True):
    """The whole file."""

    node: NodeTable = NodeTable()
    session: SessionTable = SessionTable()
    peer: tuple[PeerTable, ...] = ()
    peer_range: tuple[PeerRangeTable, ...] = ()
    network: tuple[NetworkTable, ...] = ()
    policy: tuple[PolicyTable, ...] = ()
    prefix_set: tuple[PrefixSetTable, ...] = ()
    next_hop_set: tuple[NextHopSetTable, ...] = ()
    as_set: tuple[AsSetTable, ...] = ()
    community_set: tuple[CommunitySetTable, ...] = ()
    pool: tuple[PoolTable, ...] = ()
    kernel: KernelTable = KernelTable()
    mesh: MeshTable = MeshTable()
    etcd: EtcdTable | None = None
    calico: CalicoTable = CalicoTable()
    http: HttpTable = HttpTable()
    control: ControlTable = ControlTable()
    log: LogTable = LogTable()
