"""The speaker: builds the parts, joins them, and applies a changed configuration to those that it concerns.

RFC 4271 section 3. It owns the flush: once a tick, what changed in the Loc-RIBs goes to each update group and to the
kernel. Everything runs on one event loop; nothing here waits but ``start`` and ``stop``.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from random import Random
from typing import Final

import structlog

from bgpd.addresses import covers, host_prefix, is_link_local, network_of
from bgpd.config import Resolved, ResolvedKernel, ResolvedPeer, ResolvedRange
from bgpd.config.diff import Changes, PeerChange, diff
from bgpd.errors import Cease, CeaseSubcode
from bgpd.families import FAMILIES, FAMILY_BY_ADDRESS_SIZE, IPV4_UNICAST, IPV6_UNICAST, Family
from bgpd.identity import BgpIdentifier, PeerType
from bgpd.kernel import Ipip, Kernel, KernelSettings, LearnRule, LocalRoute, Pool, Programmer
from bgpd.messages.negotiated import Negotiated
from bgpd.messages.notification import administrative, harden
from bgpd.messages.open import Open
from bgpd.policy.chain import Chain
from bgpd.rib.add_path import AddPathRibOut
from bgpd.rib.adj_rib_out import AdjRibOut
from bgpd.rib.admission import Admission
from bgpd.rib.changes import sort_by_path
from bgpd.rib.export import ExportRule, NextHopMode, StaleRoutes
from bgpd.rib.loc_rib import LocRib
from bgpd.rib.next_hops import NextHopTable
from bgpd.rib.path import Path
from bgpd.rib.update_group import UpdateGroup
from bgpd.session.listener import Listener, ListenError, Refusal
from bgpd.session.peer import PeerSession
from bgpd.session.sockets import Network
from bgpd.speaker.convergence import Histogram
from bgpd.speaker.draining import Stage
from bgpd.speaker.exporting import GroupExporter
from bgpd.speaker.former_run import FormerRun
from bgpd.speaker.forwarding import Forwarding
from bgpd.speaker.keys import Keys, session_settings
from bgpd.speaker.offer import offer, peer_type
from bgpd.speaker.origin_check import OriginCheck
from bgpd.speaker.origination import Origination
from bgpd.speaker.pacing import Pacer
from bgpd.speaker.peer import Peer
from bgpd.speaker.ranges import Ranges
from bgpd.speaker.slices import Slicer
from bgpd.speaker.unnumbered import Unnumbered

_SETTLE: Final = 3.0  # seconds a peer without End-of-RIB gets to tell what it has, after our restart
_RECOVERY_CHECK: Final = 0.25  # seconds
_PATIENCE: Final = 40.0  # seconds a peer gets that hangs up at first; GoBGP's idle hold time is 30, and 10 to dial
_FLUSH: Final = 20.0  # seconds that a stop waits for the kernel to take our routes out
_LAST_PATH_ID: Final = 0xFFFF_FFFF

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd.speaker")


class Speaker:
    """One BGP speaker.

    peers: by name. loc_ribs: by family. groups: by rule. kernel: None = next hops are not looked up and nothing is
    written. source_numbers: each source of paths takes the next. is_recovering: our routes of an earlier run are in the
    kernel or with our peers, which have not told us all yet; nothing is announced and nothing swept until then. sent:
    seconds from a change's arrival to its UPDATEs.
    """

    def __init__(self, config: Resolved, loop: asyncio.AbstractEventLoop, network: Network, random: Random) -> None:
        self.config = config
        self.loop = loop
        self.slicer = Slicer(loop)
        self.kernel = Kernel(kernel_settings(config.kernel), self, loop) if config.kernel.enabled else None
        self.next_hops = NextHopTable(self.kernel)
        self.loc_ribs: Mapping[Family, LocRib] = {f: LocRib(f, self._changed) for f in FAMILIES.values()}
        self.groups: dict[ExportRule, UpdateGroup] = {}
        self.peers: dict[str, Peer] = {}
        self.listener = Listener(network, self._find_peer, loop)
        self._dynamic = Ranges(self, self.peers)
        self._places: dict[tuple[bytes, str], Peer] | None = (
            None  # configured peers by address and link; None = unknown
        )
        self._unnumbered = Unnumbered(self, network.router_discovery)
        self._keys = Keys(self.listener, network, config.node)
        self.source_numbers: Iterator[int] = (1 + number % _LAST_PATH_ID for number in count())
        self.origination = Origination(self.loc_ribs, config.node.asn, config.node.identifier, self.source_numbers)
        self.origination.priorities = _priorities(config.kernel)
        self.origins = OriginCheck(config.origins)
        self.forwarding = self._make_forwarding()
        for loc_rib in self.loc_ribs.values():
            loc_rib.prefers_oldest = config.node.prefer_oldest_external
        self.is_recovering = False
        self.is_draining = False
        self.sent = Histogram()
        self.started_at = loop.time()
        self.reloaded_at: float | None = None
        self._network = network
        self._random = random
        self._arrived: float | None = None  # loop time of the first change since the last flush
        self._next_flush: asyncio.Handle | None = None
        self._flushes, self._dumps = Pacer(loop), Pacer(loop)
        self._policies = {policy.name: policy for policy in config.policies}
        self._generations: Counter[str] = Counter()
        self._generation = 0
        self._listening: asyncio.Task[None] | None = None  # under way after a reload
        self._recovery_timer: asyncio.TimerHandle | None = None
        self._recovery_ends = self._patient_until = 0.0
        self._awaited: frozenset[str] = frozenset()  # peers from ranges that had sessions with the run before

    async def start(self, former: FormerRun | None = None) -> None:
        """Read the kernel, listen, and bring up the peers. Raises KernelError or ListenError.

        former: the run before this one. It is a restart if routes of ours are in the kernel; where the kernel is left
        alone, if peers may still keep what the former run told them.
        """
        if self.kernel is not None:
            await self.kernel.start()
            self.is_recovering = any(self.kernel.installed(family) for family in self.loc_ribs)
            self._program_again()
        elif former is not None:
            self.is_recovering = former.age < self._longest_kept()
            self._awaited = former.peers
        self.origination.set_networks(self.config.networks)
        node = self.config.node
        peers = [self._keys.of_peer(peer) for peer in self.config.peers]
        for source in self.config.ranges:
            self._keys.of_range(source)
        try:
            await self.listener.start(node.listen, node.port)
        except Exception:
            if self.kernel is not None:
                await self.kernel.close()
            raise
        if self.is_recovering:
            longest = max((peer.restart_time for peer in self._templates()), default=0)
            age = former.age if former is not None and self.kernel is None else 0.0
            # Peers began to count when they lost us
            self._recovery_ends = self.loop.time() + max(longest - age if age < longest else longest, _SETTLE)
            self._patient_until = self.loop.time() + _PATIENCE
            _log.info("restarted: nothing is announced or swept before the peers have told all they have")
            self._check_recovery()
        for settings in peers:
            self._add_peer(settings)

    async def stop(self, *, flush: bool = False) -> None:
        """End all sessions and leave. Our routes stay in the kernel unless ``flush`` is asked for.

        Without ``flush`` the sessions are closed as for a restart: peers with graceful restart keep our routes.
        """
        if self._recovery_timer is not None:
            self._recovery_timer.cancel()
        if self._listening is not None:
            self._listening.cancel()
        await self.listener.close()
        self._unnumbered.close()
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
        for peer in list(self.peers.values()):
            peer.drain.end()

    def reload(self, config: Resolved) -> Changes:
        """Apply a changed configuration to what it concerns, and return what changed.

        Sessions are closed only where TCP or OPEN depend on it; a changed policy judges the routes again.
        """
        changes = diff(self.config, config)
        running = self.config.kernel
        kernel = replace(config.kernel, enabled=running.enabled, table=running.table, protocol=running.protocol)
        log = replace(config.log, format=self.config.log.format)
        # What waits for the next start is as it was, so that the next reload says so again
        self.config = replace(
            config, kernel=kernel, log=log, http=self.config.http, control=self.config.control, etcd=self.config.etcd
        )
        self.reloaded_at = self.loop.time()
        self._policies = {policy.name: policy for policy in config.policies}
        self._generations.update(changes.policies)
        self._generation += changes.withheld
        judged_again = self.origins.use(config.origins, self.peers.values()) if changes.origins else []
        has_priorities = {"priority_ipv4", "priority_ipv6"} & set(changes.kernel)
        self.origination.priorities = _priorities(config.kernel)
        if has_priorities or {"asn", "identifier"} & set(changes.node):
            self.origination.renew(config.node.asn, config.node.identifier)
        if "prefer_oldest_external" in changes.node:
            for rib in self.loc_ribs.values():
                rib.prefers_oldest = config.node.prefer_oldest_external
                self.slicer.add(rib.order_again())
        for change in changes.peers_changed:
            if change.fields or change.reset:  # then ``_change_peer`` requires its keys anew
                self._keys.drop_peer(change.old.name)  # others may have its address now
        for gone_range in (*changes.ranges_removed, *(moved.old for moved in changes.ranges_changed)):
            self._keys.drop_range(gone_range.name)
        for gone in changes.peers_removed:
            self._remove_peer(self.peers[gone.name])
        for new_range in (*(moved.new for moved in changes.ranges_changed), *changes.ranges_added):
            self._keys.of_range(new_range)
        ranges = {one.name: one for one in config.ranges}
        for peer in [peer for peer in self.peers.values() if peer.range_name]:
            self._reload_dynamic(peer, ranges, changes)
        renamed = [(self.peers.pop(one.old.name), one.new.name) for one in changes.peers_changed if one.is_renamed]
        self.peers.update((name, peer) for peer, name in renamed)  # one may have another's former name
        for change in changes.peers_changed:
            if change.old.is_unnumbered != change.new.is_unnumbered or (
                change.new.is_unnumbered and change.old.interface != change.new.interface
            ):
                self._replace_peer(self.peers[change.new.name], change.new)
            else:
                self._change_peer(self.peers[change.new.name], change, change.new)
        for added in changes.peers_added:
            if dynamic := self._dynamic.find(added.address, added.interface):
                self._replace_peer(dynamic, added)  # it has a table of its own now
            else:
                self._add_peer(self._keys.of_peer(added))
        for announcer in judged_again:
            announcer.import_again()
        self._keys.tidy()
        self._try_keys_again()
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
        settings, node = peer.settings, self.config.node
        own = {address for address, _ in node.addresses} | {peer.session.local_address}
        remote = peer.agreed.remote_asn if peer.agreed is not None else settings.asn
        group = node.confederation
        own_asns = [settings.local_asn, settings.real_asn]
        if group is not None:
            own_asns = [*(asn for asn in own_asns if asn != node.asn), group.identifier]
        return Admission(
            own_asns=tuple(dict.fromkeys(own_asns)),
            allow_own_as=settings.allow_own_as,
            remote_asn=remote if settings.enforce_first_as else None,
            own_addresses=frozenset(own - {b""}),
            member_asn=node.asn if group is not None else None,
        )

    def identity(self) -> tuple[BgpIdentifier, BgpIdentifier | None]:
        """Return our BGP Identifier and cluster identifier."""
        return self.config.node.identifier, self.config.node.cluster_id

    def chain(self, names: tuple[str, ...]) -> Chain:
        """Return the policies of these names, in order."""
        return Chain([self._policies[name] for name in names if name in self._policies])

    def _asks_for_names(self, policies: tuple[str, ...]) -> bool:
        """Do these policies ask for the name of the peer? Then no two peers can share an update group."""
        return any(self._policies[name].looks_at_peer for name in policies if name in self._policies)

    def export_rule(self, peer: Peer, family: Family, negotiated: Negotiated) -> ExportRule:
        """Return what decides which octets the peer is sent."""
        settings, node = peer.settings, self.config.node
        kind = peer_type(settings)
        return ExportRule(
            family=family,
            peer_type=kind,
            is_client=settings.reflector_client,
            cluster_id=node.cluster_id if kind is PeerType.INTERNAL else None,
            local_asn=negotiated.local_asn,
            local_identifier=node.identifier,
            next_hop_mode=NextHopMode(settings.next_hop.value),
            next_hop_self=self._next_hop_self(peer, family, negotiated),
            may_use_ipv6_next_hop=family in negotiated.extended_next_hop,
            four_octet_as=negotiated.four_octet_as,
            max_message=negotiated.max_send,
            policies=settings.exports,
            peer_name=settings.name if self._asks_for_names(settings.exports) else "",
            generation=self._generation + sum(self._generations[name] for name in settings.exports),
            gateway=settings.address if settings.address in self.origination.gateways else b"",
            denies_all=kind is PeerType.EXTERNAL and settings.ebgp_requires_policy and not settings.exports,
            path_limit=settings.add_path_send_limit if family in negotiated.add_path_send else None,
            stale_routes=_stale_routes(settings, kind, negotiated),
            real_asn=settings.real_asn
            if settings.prepends_real_asn and negotiated.local_asn != settings.real_asn
            else None,
            role=settings.role,
            is_last_resort=peer.drain.stage is Stage.LEAVING,
        )

    def group(self, rule: ExportRule) -> UpdateGroup:
        """Return the update group of the rule."""
        group = self.groups.get(rule)
        if group is None:
            withheld = tuple(p.prefix for p in self.config.pools if p.family is rule.family and not p.export)
            exporter = GroupExporter(rule, self.chain(rule.policies), withheld, self.interface_name)
            kind = AdjRibOut if rule.path_limit is None else AddPathRibOut
            rib = kind(rule, exporter, self.loc_ribs[rule.family])
            self.slicer.add(rib.counting())
            group = self.groups[rule] = UpdateGroup(rib, self.loop.call_soon, self._dumps.soon)
        return group

    def left(self, group: UpdateGroup) -> None:
        """Drop a group that has no members any more."""
        if not group.members:
            self.groups = {key: other for key, other in self.groups.items() if other is not group}

    def peer_progressed(self, peer: Peer) -> None:
        """A peer's session changed, or it told us all of a family."""
        if self.is_recovering:
            self.loop.call_soon(self._check_recovery)
        if peer.range_name:
            self.loop.call_soon(self._dynamic.progressed, peer)
        elif peer.settings.is_unnumbered:
            self.loop.call_soon(self._unnumbered.progressed, peer)

    def interface_index(self, name: str) -> int:
        """Return the index of an interface, 0 if it is not known."""
        return (self.kernel.interface_index(name) or 0) if self.kernel is not None else 0

    def interface_name(self, path: Path) -> str:
        """Return the name of the interface that the path's traffic leaves by, empty if it is not known."""
        if self.kernel is None:
            return ""
        return self.kernel.interface_name(path.interface or path.next_hop.device)

    # what the kernel tells (see kernel.KernelUser)

    def learned_changed(self, changes: Mapping[tuple[Family, bytes], LocalRoute | None]) -> None:
        """Announce what the kernel gained, withdraw what it lost."""
        known = len(self.origination.gateways)
        self.origination.kernel_changed(changes)
        if len(self.origination.gateways) > known:
            for peer in self.peers.values():
                peer.export_again()  # who is the gateway of a route is not told so

    def topology_changed(self) -> None:
        """Resolve the next hops again."""
        self._unnumbered.topology_changed()
        changed = self.next_hops.refresh()
        if changed:
            for peer in self.peers.values():
                for rib in peer.adj_ribs_in.values():
                    self.slicer.add(rib.resolve_again(changed))
        if self.forwarding is not None and self._tunnel() != self.forwarding.tunnel:
            self._program_again()

    # private

    def _changed(self) -> None:
        if self._arrived is None:
            self._arrived = self.loop.time()
            self._next_flush = self._flushes.soon(self._flush)

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
                self.forwarding.changed(family, changes.before, rib.table, arrived)
        if has_members:
            self.sent.observe(self.loop.time() - arrived)

    def _check_recovery(self) -> None:
        if not self.is_recovering:
            return
        if self._recovery_timer is not None:
            self._recovery_timer.cancel()
        waiting = [name for name in self._awaited if name not in self.peers]
        waiting += [
            peer.settings.name
            for peer in self.peers.values()
            if not peer.has_all_routes(settle=_SETTLE, patient_until=self._patient_until)
        ]
        if (waiting or not self.peers) and self.loop.time() < self._recovery_ends:
            self._recovery_timer = self.loop.call_later(_RECOVERY_CHECK, self._check_recovery)
            return
        self.is_recovering = False
        self._recovery_timer = None
        if waiting:
            _log.warning("recovery ends although peers have not told all their routes", peers=waiting)
        for peer in self.peers.values():
            peer.join_groups()
        if self._next_flush is not None:
            self._next_flush.cancel()
            self._flush()
        self._sweep()

    def _sweep(self) -> None:
        """Delete the routes of an earlier run that nobody has told again.

        A peer that restarts itself is not waited for, but it is still about to tell its routes: until it has, what
        leads through it stays.
        """
        is_early = self.loop.time() < self._recovery_ends
        if is_early and any(peer.is_restarting and not peer.session.resting for peer in self.peers.values()):
            self._recovery_timer = self.loop.call_later(_RECOVERY_CHECK, self._sweep)
            return
        self._recovery_timer = None
        if self.kernel is not None:
            gone = self.kernel.sweep()
            _log.info("recovery is over", swept=gone)

    def _templates(self) -> list[ResolvedPeer]:
        return [*self.config.peers, *(one.template for one in self.config.ranges)]

    def _longest_kept(self) -> float:
        """Return for how many seconds some peer keeps our routes after it lost us."""
        return max((p.restart_time + p.stale_time for p in self._templates() if p.graceful_restart), default=0)

    def _add_peer(self, settings: ResolvedPeer, range_name: str = "") -> Peer:
        configured = settings
        if settings.is_unnumbered:
            settings = self._unnumbered.waiting(settings)
        peer = Peer(settings, self, range_name)
        if not range_name:
            self._places = None
        wanted = session_settings(settings, self.config.node)
        peer.attach(PeerSession(wanted, peer, self._network, self.loop, self._random))
        self.peers[settings.name] = peer
        if settings.is_unnumbered:
            self._unnumbered.add(peer, configured)
        if self.is_draining:
            peer.drain.hold()
        elif settings.held_down:
            _log.error("session held down", peer=settings.name, reason=settings.held_down)
        peer.start()
        return peer

    def _remove_peer(self, peer: Peer) -> None:
        """Close the session with a peer that is no longer configured."""
        settings = peer.settings
        peer.drain.forget()
        peer.close(Cease(CeaseSubcode.PEER_DECONFIGURED, why="removed from the configuration"))
        self._places = None
        self._unnumbered.remove(peer)
        if peer.range_name:
            self._dynamic.dropped(peer)
        else:
            self._keys.drop_peer(settings.name)
        del self.peers[settings.name]

    def _replace_peer(self, old: Peer, settings: ResolvedPeer) -> None:
        """Begin anew with a peer; what an operator said of it holds on."""
        is_drained, ends = old.drain.stage is not Stage.NONE, old.drain.ends
        self._remove_peer(old)
        new = self._add_peer(self._keys.of_peer(settings))
        if old.is_disabled:
            new.disable("disabled by an operator")
        elif is_drained:
            new.drain.begin(ends - self.loop.time() if ends is not None else 0, "drained by an operator")

    def _reload_dynamic(self, peer: Peer, ranges: Mapping[str, ResolvedRange], changes: Changes) -> None:
        """Apply what changed of the range that the peer came from."""
        source = ranges.get(peer.range_name)
        address = peer.settings.address
        if source is None or not covers(source.prefix, host_prefix(address)):
            self._remove_peer(peer)
            return
        for change in changes.ranges_changed:
            if change.new.name == source.name:
                new = self._keys.member(source, source.peer(address, peer.settings.interface))
                self._change_peer(peer, change.template, new)

    def _try_keys_again(self) -> None:
        """Let peers come up that were held down for keys which can be had by now."""
        for configured in self.config.peers:
            peer = self.peers[configured.name]
            if peer.settings.held_down and not (configured.held_down or configured.is_unnumbered):
                peer.settings = self._keys.of_peer(configured)
                peer.start()

    def _change_peer(self, peer: Peer, change: PeerChange, new: ResolvedPeer) -> None:
        """Apply changed options; the session is closed only if it has to be."""
        if not (change.fields or change.reset):
            if change.imports:
                peer.import_again()
            if change.exports:
                peer.export_again()
            return
        if not peer.range_name:
            if new.is_unnumbered:
                new = self._unnumbered.changed(peer, new)
            new = self._keys.of_peer(new)
        peer.reconfigure(new)
        self._places = None
        is_resting = bool(peer.session.resting)
        if change.reset:
            cease = Cease(CeaseSubcode.OTHER_CONFIGURATION_CHANGE, why=f"{', '.join(change.reset)} changed")
            if change.keeps_routes:
                peer.session.stop(cease)
                if change.imports:
                    peer.import_again()
            else:
                peer.close(harden(cease))
        peer.session.update_settings(session_settings(new, self.config.node))
        if change.reset:
            if new.held_down:
                _log.error("session held down", peer=new.name, reason=new.held_down)
            peer.start()
            return
        if change.fields or not is_resting:
            peer.start()
        peer.check_limits()
        if change.imports:
            peer.import_again()
        if change.exports:
            peer.export_again()

    def settle(self, peer: Peer, settings: ResolvedPeer) -> None:
        """Use the address at which an unnumbered peer was found, or hold it down; see ``speaker.unnumbered``."""
        settings = self._keys.of_peer(settings)
        self._keys.tidy()
        if peer.session.is_started or settings.held_down:  # one that rests would be dialled when its time is over
            peer.session.stop(None)
        peer.settings = settings
        self._places = None
        peer.session.update_settings(session_settings(settings, self.config.node))
        if not peer.session.resting:
            peer.start()

    async def _listen_again(self, earlier: asyncio.Task[None] | None) -> None:
        """Listen where the new configuration says, after an earlier change of that."""
        if earlier is not None:
            await earlier
        await self.listener.close()
        try:
            await self.listener.start(self.config.node.listen, self.config.node.port)
        except ListenError as error:
            _log.error("not listening", reason=str(error))

    def _find_peer(self, address: bytes, interface: str) -> PeerSession | Refusal | None:
        """Return whose session a connection from this address is, if anybody's."""
        link = interface if is_link_local(address) else ""
        if self._places is None:
            self._places = {
                (p.settings.address, p.settings.interface): p for p in self.peers.values() if not p.range_name
            }
        peer = self._places.get((address, link)) or self._dynamic.find(address, link)
        if peer is not None:
            return peer.session
        if self.is_draining:
            return None
        if link and (unnumbered := self._unnumbered.match(address, link)) is not None:
            return unnumbered
        for source in self.config.ranges:
            if source.family.octets == len(address) and covers(source.prefix, host_prefix(address)):
                new = source.peer(address, link)
                return self._dynamic.admit(source, self._keys.member(source, new), self._add_peer)
        return None

    def _next_hop_self(self, peer: Peer, family: Family, negotiated: Negotiated) -> bytes:
        """Return our address as next hop in a family: our end of the session, else the node's first address of it."""
        local = peer.session.local_address
        if peer.settings.is_unnumbered and family.is_classic and family in negotiated.extended_next_hop:
            return local  # the one address that the peer is sure to reach
        if FAMILY_BY_ADDRESS_SIZE[len(local)] is family and not is_link_local(local):
            return local
        for address, _ in self.config.node.addresses:
            if FAMILY_BY_ADDRESS_SIZE[len(address)] is family:
                # RFC 2545 section 3: the link-local address goes along where the peer is on the link
                return address + local if is_link_local(local) and len(local) == len(address) else address
        return local if len(local) == family.octets or family in negotiated.extended_next_hop else b""

    def _make_forwarding(self) -> Forwarding | None:
        if self.kernel is None:
            return None
        return Forwarding(
            self.kernel,
            self._programmer(0),
            self.loop.time,
            import_default_route=self.config.kernel.import_default_route,
        )

    def _programmer(self, tunnel: int) -> Programmer:
        config = self.config
        return Programmer(
            [Pool(pool.family, pool.prefix, Ipip(pool.ipip.value), pool.is_programmed) for pool in config.pools],
            [(FAMILY_BY_ADDRESS_SIZE[len(a)], network_of(a, length)) for a, length in config.node.addresses],
            tunnel=tunnel,
            ecmp=config.kernel.ecmp,
            metric=config.kernel.metric,
            encrypted=config.kernel.encrypted_hops,
            priorities=_priorities(config.kernel),
        )

    def _program_again(self) -> None:
        """Work out all kernel routes anew: pools, limits or the tunnel device have changed."""
        forwarding = self.forwarding
        if forwarding is not None:
            forwarding.use(self._programmer(self._tunnel()), self._tunnel())
            for rib in self.loc_ribs.values():
                self.slicer.add(forwarding.program_all(rib))

    def _tunnel(self) -> int:
        return self.interface_index(self.config.kernel.tunnel_device)


def _stale_routes(settings: ResolvedPeer, kind: PeerType, negotiated: Negotiated) -> StaleRoutes:
    if negotiated.peer_long_lived is not None:
        return StaleRoutes.SENT
    return StaleRoutes.LAST_RESORT if settings.sends_stale and kind is not PeerType.EXTERNAL else StaleRoutes.WITHHELD


def _priorities(config: ResolvedKernel) -> dict[Family, int]:
    """Return the metric of ordinary routes by family, empty = LOCAL_PREF does not tell metrics."""
    wanted = {IPV4_UNICAST: config.priority_ipv4, IPV6_UNICAST: config.priority_ipv6}
    return {family: priority for family, priority in wanted.items() if priority}


def kernel_settings(config: ResolvedKernel) -> KernelSettings:
    """Return what the kernel part needs of the configuration."""
    return KernelSettings(
        table=config.table,
        protocol=config.protocol,
        metric=config.metric,
        tunnel_device=config.tunnel_device,
        ecmp=config.ecmp,
        learn=tuple(LearnRule(rule.protocols, rule.devices, rule.gateway, rule.table) for rule in config.learn),
        import_default_route=config.import_default_route,
    )
