"""A node's part in the election of reflectors, in etcd: looks at the cluster, asks ``reflector.election``, writes.

A role changes hands in a transaction on its key's revision, so of two that want it one gets it. Where etcd is away
nothing is decided: roles and sessions stay as they were last seen. Times are seconds.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Final

import structlog

from bgpd.datastore import role_keys
from bgpd.datastore.lease import Lease, Upkeep
from bgpd.datastore.role_keys import ElectionKeys
from bgpd.datastore.store import Conflict, ElectingStore, StoreError
from bgpd.reflector.election import Declare, Deed, Drop, Election, Forget, MeshView, Proceed, Sessions, Take
from bgpd.reflector.roles import Member, Phase, Role

LEASE: Final = 10
EXTEND: Final = 3.0  # between two extensions of the lease
LOOK: Final = 0.5  # between two looks at the cluster
LONGEST_PAUSE: Final = 5.0

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd")


class Elector:
    """Takes part for one node. view: of the cluster, None = it is not seen now."""

    def __init__(
        self,
        store: ElectingStore,
        keys: ElectionKeys,
        view: Callable[[], MeshView | None],
        sessions: Sessions,
        random: Random,
    ) -> None:
        self._store = store
        self._keys = keys
        self._view = view
        self._sessions = sessions
        self._election = Election()
        self._lease = Lease(store, LEASE, EXTEND)
        self._upkeep = Upkeep(
            self._look_or_forget,
            "no part in the election of reflectors",
            random,
            every=LOOK,
            longest=LONGEST_PAUSE,
        )
        self._told: bool | None = None  # what stands under the lease
        self._told_at = 0.0

    @property
    def why(self) -> str:
        """Why it takes no part, empty = it does."""
        return self._upkeep.why

    async def run(self) -> None:
        """Take part for ever."""
        await self._upkeep.run()

    async def look(self) -> None:
        """Do what is due. Raises StoreError."""
        view = self._view()
        if view is None:
            self._election.interrupted()
            return
        roles = view.roles
        is_reflector = roles.is_reflector(view.me)
        if view.rules is None and not (view.me in roles.members or is_reflector):
            await self._lease.end()
            return
        if view.is_drained and not is_reflector:
            await self._lease.end()  # else those that are to reflect would wait for our sessions
        else:
            await self._live(view)
        for deed in self._election.step(view, self._sessions, asyncio.get_running_loop().time()):
            with suppress(Conflict):  # somebody was faster: the next view shows it
                await self._do(deed, view)

    async def close(self) -> None:
        """Stop to live, as far as others are concerned."""
        await self._lease.part()

    async def _look_or_forget(self) -> None:
        try:
            await self.look()
        except Exception:
            self._election.interrupted()
            raise

    async def _live(self, view: MeshView) -> None:
        is_candidate = view.rules is not None and view.rules.is_candidate
        now = asyncio.get_running_loop().time()
        if await self._lease.hold():
            self._told = None
        is_gone = view.roles.alive.get(view.me) is not is_candidate and now - self._told_at >= EXTEND
        if self._told is not is_candidate or is_gone:  # somebody may have deleted it under a lease that goes on
            value = role_keys.encode_alive(is_candidate=is_candidate)
            await self._store.put(self._keys.alive(view.me), value, self._lease.number)
            self._told, self._told_at = is_candidate, now

    async def _do(self, deed: Deed, view: MeshView) -> None:
        """Raises StoreError; Conflict where the cluster is not any more as the view had it."""
        store = self._store
        match deed:
            case Take(number, former):
                await self._write_role(number, former, Role(view.me, Phase.PREPARING))
                _log.warning("this node becomes a reflector", role=number, in_place_of=former or "nobody")
            case Proceed(number, phase):
                await self._write_role(number, view.me, Role(view.me, phase))
                _log.warning("reflector", role=number, phase=phase.value)
            case Drop(number, holder):
                key = self._keys.role(number)
                await store.delete_if(key, await self._revision_of(key, holder))
                _log.warning("a reflector's role ends", role=number, node=holder)
            case Declare(None):
                await self._delete(self._keys.member(view.me))
            case Declare(Member() as member):
                await store.put(self._keys.member(view.me), role_keys.encode_member(member))
                _log.info("sessions with the mesh's nodes", mode=member.mode.value, is_whole=member.is_whole)
            case Forget(node):
                await self._delete(self._keys.member(node))

    async def _write_role(self, number: int, holder: str, role: Role) -> None:
        key = self._keys.role(number)
        revision = await self._revision_of(key, holder, role)
        await self._store.put_if(key, role_keys.encode_role(role), revision)

    async def _revision_of(self, key: str, holder: str, wanted: Role | None = None) -> int:
        """Return the revision of a role that this node holds, 0 = nobody does. Raises Conflict.

        wanted: what is to be there; if it is already, the view is late, and all would hear of another write.
        """
        entry = await self._store.get(key)
        role = role_keys.decode_role(entry.value) if entry is not None else None
        if ("" if role is None else role.holder) != holder or (role is not None and role == wanted):
            raise Conflict(f"{key}: is another by now")
        return entry.revision if entry is not None else 0

    async def _delete(self, key: str) -> None:
        entry = await self._store.get(key)
        if entry is not None:
            await self._store.delete_if(key, entry.revision)


async def resign(store: ElectingStore, keys: ElectionKeys, node: str) -> None:
    """Take away what a node that takes part no more left; it tries until etcd answers, and gives up if it refuses."""
    while True:
        try:
            entry = await store.get(keys.member(node))
            if entry is not None:
                await store.delete_if(keys.member(node), entry.revision)
            return
        except StoreError as error:
            if error.hint:  # waiting does not mend it
                _log.debug("not known whether this node has left the election of reflectors", reason=str(error))
                return
            await asyncio.sleep(LONGEST_PAUSE)
