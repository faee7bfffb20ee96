"""The speaker: builds the parts, joins them, and applies a changed configuration to those that it concerns.

RFC 4271 section 3. It owns the flush: in rounds (see ``pacing``) what changed in the Loc-RIBs goes to each update group
and to the kernel. Everything runs on one event loop; nothing here waits but ``start`` and ``stop``.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from random import Random
from typing import Final

import structlog

from bgpd.config import Resolved, ResolvedRange
from bgpd.config.diff import Changes, diff
from bgpd.errors import CeaseSubcode
from bgpd.families import FAMILIES, Family
from bgpd.identity import BgpIdentifier
from bgpd.kernel import Kernel, LearnedRun
from bgpd.messages.negotiated import Negotiated
from bgpd.messages.notification import administrative
from bgpd.messages.open import Open
from bgpd.policy.chain import Chain
from bgpd.rib.add_path import AddPathRibOut
from bgpd.rib.adj_rib_out import AdjRibOut
from bgpd.rib.admission import Admission
from bgpd.rib.changes import sort_by_path
from bgpd.rib.export import ExportRule
from bgpd.rib.loc_rib import LocRib
from bgpd.rib.next_hops import NextHopTable
from bgpd.rib.update_group import UpdateGroup
from bgpd.session.listener import ListenError
from bgpd.session.sockets import Network
from bgpd.speaker.convergence import Histogram
from bgpd.speaker.draining import NOTHING, Stage, TakenOut
from bgpd.speaker.export_rule import export_rule
from bgpd.speaker.exporting import GroupExporter
from bgpd.speaker.former_run import FormerRun
from bgpd.speaker.forwarding import Forwarding
from bgpd.speaker.import_terms import admission
from bgpd.speaker.kernel_settings import kernel_settings, priorities, programmer
from bgpd.speaker.named_policies import NamedPolicies
from bgpd.speaker.offer import offer
from bgpd.speaker.origin_check import OriginCheck
from bgpd.speaker.origination import Origination
from bgpd.speaker.pacing import Pacer, Round
from bgpd.speaker.peer import Peer
from bgpd.speaker.peer_table import PeerTable
from bgpd.speaker.recovery import Recovery, longest_kept, longest_wait
from bgpd.speaker.slices import Slicer
from bgpd.speaker.starting import Starting

_FLUSH: Final = 20.0  # seconds that a stop waits for the kernel to take our routes out
A_MEMBER: Final = 20e-6  # seconds to tell a member of a change: 10 of a small one, 25 of what hundreds say at once
_LAST_PATH_ID: Final = 0xFFFF_FFFF

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd.speaker")


class Speaker:
    """One BGP speaker.

    peers: by name. loc_ribs: by family. groups: by rule. kernel: None = next hops are not looked up and nothing is
    written. source_numbers: each source of paths takes the next. recovery: from the run before. sent: seconds from a
    change's arrival to its UPDATEs. activity: reads with UPDATEs and changes of sessions and of kernel routes, so far.
    """

    def __init__(self, config: Resolved, loop: asyncio.AbstractEventLoop, network: Network, random: Random) -> None:
        self.config = config
        self.loop = loop
        self.slicer = Slicer(loop)
        self.kernel = Kernel(kernel_settings(config.kernel), self, loop) if config.kernel.enabled else None
        self.next_hops = NextHopTable(self.kernel)
        self.loc_ribs: Mapping[Family, LocRib] = {f: LocRib(f, self._changed) for f in FAMILIES.values()}
        self.groups: dict[ExportRule, UpdateGroup] = {}
        self.peer_table = PeerTable(self, network, random)
        self.peers = self.peer_table.by_name
        self.listener = self.peer_table.listener
        self.source_numbers: Iterator[int] = (1 + number % _LAST_PATH_ID for number in count())
        self.origination = Origination(self.loc_ribs, config.node.asn, config.node.identifier, self.source_numbers)
        self.origination.priorities = priorities(config.kernel)
        self.origins = OriginCheck(config.origins)
        self.forwarding = self._make_forwarding()
        for loc_rib in self.loc_ribs.values():
            loc_rib.prefers_oldest = config.node.prefer_oldest_external
        self.recovery = Recovery(self.peers, loop, self.kernel, self._flush_now)
        self.starting = Starting(self.peers, self._flush_now)
        self.is_draining = False
        self.activity = 0
        self.sent = Histogram()
        self.started_at = loop.time()
        self.reloaded_at: float | None = None
        self._arrived: float | None = None  # loop time of the first change since the last flush
        self._next_flush: Round | None = None
        self._flushes, self._dumps = Pacer(loop, self._changes_made), Pacer(loop, self._work_done)
        self._dump_slices = 0
        self._policies = NamedPolicies(config.policies)
        self._listening: asyncio.Task[None] | None = None  # under way after a reload

    async def start(self, former: FormerRun | None = None, taken_out: TakenOut = NOTHING) -> None:
        """Read the kernel, listen, bring up the peers, and learn kernel routes. Raises KernelError or ListenError.

        former: the run before this one. It is a restart if routes of ours are in the kernel; where the kernel is left
        alone, if peers may still keep what the former run told them. taken_out: what was drained then, and stays so.
        """
        self.is_draining = taken_out.node
        self.peer_table.held.update(taken_out.peers)
        if self.kernel is not None:
            await self.kernel.start()
            self.recovery.is_under_way = any(self.kernel.installed(family) for family in self.loc_ribs)
            self.starting.is_under_way = not self.is_recovering
            if self.is_recovering:
                await self.kernel.learn()
                self._program_again()  # where others' routes are by now, ours of the former run go
            else:
                self._use_programmer()  # what was learned asks for nothing of ours, and nothing else is there
        elif former is not None:
            self.recovery.is_under_way = former.age < longest_kept(self.config)
            self.recovery.awaited = former.peers
        self.origination.set_networks(self.config.networks)
        node = self.config.node
        peers = self.peer_table.require_keys()
        try:
            await self.listener.start(node.listen, node.port)
        except Exception:
            if self.kernel is not None:
                await self.kernel.close()
            raise
        if self.is_recovering:
            age = former.age if former is not None and self.kernel is None else 0.0
            self.recovery.begin(longest_wait(self.config), age)
        for settings in peers:
            self.peer_table.add(settings)
        if self.kernel is not None and self.starting.is_under_way:
            await self.starting.learn(self.kernel)

    async def stop(self, *, flush: bool = False) -> None:
        """End all sessions and leave. Our routes stay in the kernel unless ``flush`` is asked for.

        Without ``flush`` the sessions are closed as for a restart: peers with graceful restart keep our routes.
        """
        self.recovery.stop()
        if self._listening is not None:
            self._listening.cancel()
        await self.peer_table.close()
        is_final = flush or self.is_draining
        if self.kernel is not None and not is_final:
            await self.kernel.close()  # first: what the ending sessions take out of the Loc-RIB stays in the kernel
        for peer in self.peers.values():
            keeps_routes = not is_final and peer.negotiated is not None and peer.session.has_graceful_restart
            peer.session.stop(
                None if keeps_routes else administrative(CeaseSubcode.ADMINISTRATIVE_SHUTDOWN, "bgpd stops")
            )
        await asyncio.gather(*(peer.session.wait_closed() for peer in self.peers.values()))
        if self.kernel is not None and is_final:
            self.kernel.flush_all()
            try:
                await asyncio.wait_for(self.kernel.flushed(), _FLUSH)
            except TimeoutError:
                _log.error("routes of ours may be left in the kernel", reason=f"not flushed within {_FLUSH:g} s")
            await self.kernel.close()

    def drain(self, wait: float = 0.0) -> None:
        """Take this node out of the cluster: for so many seconds all we announce is a last resort (RFC 8326).

        Then withdraw what we announced, say Cease, forget what we learned; at once if there is nothing to wait for.
        """
        self.is_draining = True
        for peer in self.peers.values():
            peer.drain.begin(wait, "node is drained")

    def undrain(self) -> None:
        """Bring this node back, and every peer that was drained."""
        self.is_draining = False
        self.peer_table.held.clear()
        for peer in list(self.peers.values()):
            peer.drain.end()

    @property
    def taken_out(self) -> TakenOut:
        """What an operator took out, for the run after this one."""
        if self.is_draining:
            return TakenOut(node=True)
        drained = [name for name, peer in self.peers.items() if peer.drain.stage is not Stage.NONE]
        return TakenOut(peers=frozenset([*self.peer_table.held, *drained]))

    def reload(self, config: Resolved) -> Changes:
        """Apply a changed configuration to what it concerns, and return what changed.

        Sessions are closed only where TCP or OPEN depend on it; a changed policy judges the routes again.
        """
        changes = diff(self.config, config)
        running = self.config.kernel
        kernel = replace(config.kernel, enabled=running.enabled, table=running.table, protocol=running.protocol)
        log = replace(config.log, format=self.config.log.format)
        mesh = config.mesh
        if self.config.mesh.auto_reflectors is None:
            mesh = replace(mesh, auto_reflectors=None)
        # What waits for the next start is as it was, so that the next reload says so again
        self.config = replace(
            config,
            kernel=kernel,
            log=log,
            http=self.config.http,
            control=self.config.control,
            etcd=self.config.etcd,
            mesh=mesh,
        )
        self.reloaded_at = self.loop.time()
        self._policies.use(config.policies, changes.policies, is_withheld_changed=changes.withheld)
        judged_again = self.origins.use(config.origins, self.peers.values()) if changes.origins else []
        has_priorities = {"priority_ipv4", "priority_ipv6"} & set(changes.kernel)
        self.origination.priorities = priorities(config.kernel)
        if has_priorities or {"asn", "identifier"} & set(changes.node):
            learned = self.kernel.learned if self.kernel is not None else {}
            self.origination.renew(config.node.asn, config.node.identifier, learned)
        if "prefer_oldest_external" in changes.node:
            for rib in self.loc_ribs.values():
                rib.prefers_oldest = config.node.prefer_oldest_external
                self.slicer.add(rib.order_again())
        self.peer_table.apply(changes)
        for announcer in judged_again:
            announcer.import_again()
        self.origination.set_networks(config.networks)
        if self.kernel is not None and (changes.kernel or changes.pools or "addresses" in changes.node):
            self.kernel.apply_settings(kernel_settings(kernel))
            if self.forwarding is not None:
                self.forwarding.import_default_route = kernel.import_default_route
            self._program_again()
        if changes.listeners:
            self._listening = self.loop.create_task(self._listen_again(self._listening))
        return changes

    def peers_from_ranges(self) -> list[str]:
        """Return the names of the peers that dialled in from a range and have a session."""
        return [name for name, peer in self.peers.items() if peer.range_name and peer.negotiated is not None]

    # what peers ask (see speaker.peer.Hub)

    @property
    def is_recovering(self) -> bool:
        """Are routes of ours, of an earlier run, in the kernel or with our peers, which have not told us all yet?"""
        return self.recovery.is_under_way

    @property
    def is_learning(self) -> bool:
        """Are there kernel routes still to come, at the start?"""
        return self.starting.is_under_way

    @property
    def puts_off_telling(self) -> bool:
        """Is a peer that comes up now told our routes later?

        Either after a restart, or it comes while we learn kernel routes one slice after the other: its share of them is
        quicker told at the end.
        """
        return self.is_recovering or self.starting.is_telling

    @property
    def ranges(self) -> tuple[ResolvedRange, ...]:
        """The ranges that peers may dial in from."""
        return self.config.ranges

    def local_open(self, peer: Peer) -> Open:
        """Return the OPEN for a new connection with the peer."""
        had_session = peer.session.flaps > 0
        return offer(
            peer.settings,
            self.config.node,
            peer.open_asn(),
            is_restarting=self.is_recovering,
            is_preserved=self.is_recovering or had_session or self.kernel is None,
        )

    def admission(self, peer: Peer) -> Admission:
        """Return the rules that the peer's paths are held against."""
        return admission(peer.settings, self.config.node, peer.session.local_address, peer.agreed)

    def identity(self) -> tuple[BgpIdentifier, BgpIdentifier | None]:
        """Return our BGP Identifier and cluster identifier."""
        return self.config.node.identifier, self.config.node.cluster_id

    def chain(self, names: tuple[str, ...]) -> Chain:
        """Return the policies of these names, in order."""
        return self._policies.chain(names)

    def export_rule(self, peer: Peer, family: Family, negotiated: Negotiated) -> ExportRule:
        """Return what decides which octets the peer is sent."""
        return export_rule(peer, family, negotiated, self.config.node, self._policies, self.origination.gateways)

    def group(self, rule: ExportRule) -> UpdateGroup:
        """Return the update group of the rule."""
        group = self.groups.get(rule)
        if group is None:
            withheld = tuple(p.prefix for p in self.config.pools if p.family is rule.family and not p.export)
            exporter = GroupExporter(rule, self.chain(rule.policies), withheld)
            kind = AdjRibOut if rule.path_limit is None else AddPathRibOut
            rib = kind(rule, exporter, self.loc_ribs[rule.family])
            self.slicer.add(rib.counting())
            group = self.groups[rule] = UpdateGroup(rib, self._go_on, self._dumps.soon)
        return group

    def left(self, group: UpdateGroup) -> None:
        """Drop a group that has no members any more."""
        if not group.members:
            self.groups = {key: other for key, other in self.groups.items() if other is not group}

    def peer_progressed(self, peer: Peer) -> None:
        """A peer's session changed, or it told us all of a family."""
        self.activity += 1
        if self.is_recovering:
            self.loop.call_soon(self.recovery.check)
        self.peer_table.progressed(peer)

    def interface_index(self, name: str) -> int:
        """Return the index of an interface, 0 if it is not known."""
        return (self.kernel.interface_index(name) or 0) if self.kernel is not None else 0

    # what the kernel tells (see kernel.KernelUser)

    def learned_changed(self, runs: Sequence[LearnedRun]) -> None:
        """Announce what the kernel gained, withdraw what it lost."""
        self.activity += 1
        self.starting.told()
        known = len(self.origination.gateways)
        self.origination.kernel_changed(runs)
        if len(self.origination.gateways) > known:
            for peer in self.peers.values():
                peer.export_again()  # who is the gateway of a route is not told so

    def topology_changed(self) -> None:
        """Resolve the next hops again."""
        self.peer_table.topology_changed()
        changed = self.next_hops.refresh()
        if changed:
            for peer in self.peers.values():
                for rib in peer.adj_ribs_in.values():
                    self.slicer.add(rib.resolve_again(changed))
        if self.forwarding is not None and self._tunnel() != self.forwarding.tunnel:
            self._program_again()

    # private

    def _changes_made(self) -> int:
        """Return a number that grows with each piece of work that may change a Loc-RIB."""
        return self.activity + self.slicer.turns

    def _work_done(self) -> int:
        """Return a number that grows with each piece of that and of the dumps under way."""
        return self._changes_made() + self._dump_slices

    def _go_on(self, dump: Callable[[], None]) -> None:
        self._dump_slices += 1
        self.loop.call_soon(dump)

    def _changed(self) -> None:
        if self._arrived is None:
            self._arrived = self.loop.time()
            members = sum([len(group.members) for group in self.groups.values()])
            self._next_flush = self._flushes.soon(self._flush, members * A_MEMBER)

    def _flush(self) -> None:
        """Tell everybody what changed."""
        arrived = self._arrived
        assert arrived is not None  # only ``_changed`` schedules it
        self._arrived = self._next_flush = None
        has_members = False
        for family, rib in self.loc_ribs.items():
            if not rib.has_changes:
                continue
            changes = rib.take_changes()
            groups = [group for rule, group in self.groups.items() if rule.family is family]
            if groups:
                has_members = True
                batch = sort_by_path(changes, rib.table)
                for group in groups:
                    group.flush(batch)
            if self.forwarding is not None:
                self.forwarding.changed(family, changes, rib.table, arrived)
        if has_members:
            self.sent.observe(self.loop.time() - arrived)

    def _flush_now(self) -> None:
        if self._next_flush is not None:
            self._next_flush.cancel()
            self._flush()

    async def _listen_again(self, earlier: asyncio.Task[None] | None) -> None:
        """Listen where the new configuration says, after an earlier change of that."""
        if earlier is not None:
            await earlier
        await self.listener.close()
        try:
            await self.listener.start(self.config.node.listen, self.config.node.port)
        except ListenError as error:
            _log.error("not listening", reason=str(error))

    def _make_forwarding(self) -> Forwarding | None:
        if self.kernel is None:
            return None
        return Forwarding(
            self.kernel,
            programmer(self.config, 0),
            self.loop.time,
            import_default_route=self.config.kernel.import_default_route,
        )

    def _program_again(self) -> None:
        """Work out all kernel routes anew: pools, limits or the tunnel device have changed."""
        if self.forwarding is not None:
            self._use_programmer()
            for rib in self.loc_ribs.values():
                self.slicer.add(self.forwarding.program_all(rib))

    def _use_programmer(self) -> None:
        if self.forwarding is not None:
            self.forwarding.use(programmer(self.config, self._tunnel()), self._tunnel())

    def _tunnel(self) -> int:
        return self.interface_index(self.config.kernel.tunnel_device)
