"""The mesh as those see it that elect its reflectors: its nodes and their places, who takes part, who has roles."""

from dataclasses import replace

from bgpd.config.model import Config
from bgpd.datastore.calico.model import Node
from bgpd.datastore.calico.world import World
from bgpd.datastore.role_keys import ElectionKeys
from bgpd.reflector.election import MeshNode, MeshView, Rules
from bgpd.reflector.roles import Member, Mode, Phase, Roles


def mesh_view(me: Node, world: World, local: Config, roles: Roles) -> MeshView:
    """Return what a node sees. Calico's own reflectors are no part of the mesh, nor are nodes without BGP."""
    rules = None if why_apart(me, world, local) else local.mesh.auto_reflectors
    label = rules.label if rules is not None else ""
    nodes = {
        node.name: MeshNode(node.labels.get(label, ""), tuple(one.address for one in node.addresses))
        for node in world.nodes.values()
        if is_of_mesh(node)
    }
    chosen = None if rules is None else Rules(rules.above, rules.count, rules.candidate)
    return MeshView(me.name, chosen, nodes, roles)


def is_of_mesh(node: Node) -> bool:
    """Is the node one of the mesh?"""
    return node.has_bgp and bool(node.addresses) and node.cluster_id is None


def why_apart(me: Node, world: World, local: Config) -> str:
    """Return why a node that is told to elect reflectors does not, for people; empty = it does."""
    if local.mesh.auto_reflectors is None:
        return "the file does not say so"
    if not local.mesh.enabled or world.settings.is_mesh is False:
        return "there is no mesh: nodeToNodeMeshEnabled is false"
    if me.cluster_id is not None:
        return "etcd says that this node is a reflector (routeReflectorClusterID)"
    if local.node.cluster_id is not None:
        return "this file says that the node is a reflector (node.cluster_id)"
    return "" if is_of_mesh(me) else "this node speaks no BGP in etcd"


class RoleKeys:
    """What nodes tell each other of elected reflectors.

    told: as it stands there. seen: as this node acts on it. version: counts changes of what is seen.
    """

    def __init__(self, node: str, keys: ElectionKeys) -> None:
        self.values: dict[str, bytes] = {}
        self.told = self.seen = Roles()
        self.version = 0
        self._node = node
        self._keys = keys
        self._is_read = True
        self._is_first = True
        self._is_joining = False

    def put(self, key: str, value: bytes) -> None:
        """Take a value."""
        self.values[key] = value
        self._is_read = False

    def delete(self, key: str) -> None:
        """Forget a key."""
        self.values.pop(key, None)
        self._is_read = False

    def decide(self, *, is_taking_part: bool) -> None:
        """Bring ``told`` and ``seen`` up to date.

        A node that starts where reflectors serve has no session to lose, so it begins with those to them alone, until
        it has declared itself or they serve no more.
        """
        if not self._is_read:
            self._is_read = True
            self.told = self._keys.decode(self.values)
        if self._is_first and is_taking_part:
            self._is_first = False
            is_served = any(self.told.living(Phase.SERVING)) and not any(self.told.living(Phase.PREPARING))
            self._is_joining = is_served and not self.told.is_reflector(self._node)
        self._is_joining &= self._node not in self.told.members and any(self.told.living(Phase.SERVING))
        seen = self.told
        if self._is_joining:
            seen = replace(seen, members={**seen.members, self._node: Member(Mode.REFLECTED)})
        if seen.roles != self.seen.roles or seen.members != self.seen.members:
            self.version += 1
        self.seen = seen
