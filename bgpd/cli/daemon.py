"""The daemon's process: reads the configuration, starts the speaker and the API, follows signals, ends in order.

SIGTERM and SIGINT stop it, SIGHUP reloads. BGP comes first: the API's library is imported when somebody asks (see
``answering``). The control socket is taken before anything else: two daemons with one configuration never meet on the
port or in the kernel.

With a cluster in etcd there may be nothing to start from yet: then the API answers first and says what is waited for,
and the kernel's routes stay as a former run left them.
"""

import asyncio
import errno
import gc
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

import structlog

import bgpd
from bgpd.api.loop_lag import LoopLag
from bgpd.api.operations import Refused
from bgpd.api.sockets import FULL_MODE, READ_ONLY_MODE, READ_ONLY_SUFFIX, ApiError, bind_tcp, bind_unix
from bgpd.api.views import Moment
from bgpd.cli import logs
from bgpd.cli.answering import Answering, Bound, answer, make_server, require_libraries
from bgpd.cli.check import CONFIG_IS_WRONG, quiet_grpc, report
from bgpd.cli.datastore_rows import datastore_row, datastore_statistics
from bgpd.cli.drain_mark import DrainMark
from bgpd.cli.garbage import Garbage
from bgpd.cli.notify import Notifier
from bgpd.cli.operations import SpeakerOperations
from bgpd.cli.run_mark import INTERVAL, RunMark
from bgpd.cli.waiting import Waiting
from bgpd.config import Config, ConfigError, Problem, Resolved, load, resolve, resolve_process
from bgpd.config.notices import notices
from bgpd.datastore.file import FileSource
from bgpd.datastore.source import ConfigSource
from bgpd.kernel import KernelError
from bgpd.session.listener import ListenError
from bgpd.session.sockets import TcpNetwork
from bgpd.speaker import Speaker
from bgpd.speaker.draining import NOTHING

if TYPE_CHECKING:
    from bgpd.api.server import Server
    from bgpd.cli.clustering import Clustering

try:
    from uvloop import new_event_loop as _uvloop

    _new_loop: Callable[[], asyncio.AbstractEventLoop] = _uvloop
except ImportError:  # everything runs on the standard loop too, only slower
    _new_loop = asyncio.new_event_loop

CANNOT_START: Final = 1
COPY_SUFFIX: Final = ".etcd"  # of the file with a copy of the cluster's keys, beside the control socket
SHORT_WAIT: Final = 1.0  # seconds for a first configuration, before the API says that it is waited for
LISTEN_HINTS: Final = {
    os.strerror(errno.EADDRINUSE): "another BGP daemon listens there: stop it, or change [node] listen or port",
    os.strerror(errno.EADDRNOTAVAIL): "no interface of this host has that address: see [node] listen",
    os.strerror(errno.EACCES): "ports below 1024 are for root and for CAP_NET_BIND_SERVICE",
}

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("bgpd")


def run(path: Path, *, flush: bool) -> int:
    """Run until a signal ends it; return the exit status. flush: take our routes out of the kernel when stopped."""
    try:
        config = load(path)
        first = resolve(config, file=str(path)) if config.etcd is None else None
    except ConfigError as error:
        report(error)
        return CONFIG_IS_WRONG
    threshold = logs.configure(config.log.level.value, config.log.format.value)
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))  # a connection is a file
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(_Daemon(path, config, first, threshold, flush=flush).run())
    except ApiError as error:
        return _refuse(str(error), error.hint)
    except ListenError as error:
        return _refuse(str(error), LISTEN_HINTS.get(error.why, "see [node] listen and port"))
    except KernelError as error:
        return _refuse(str(error), "")
    return 0


def _refuse(why: str, hint: str) -> int:
    print(f"bgpd: {why}", file=sys.stderr)
    if hint:
        print(f"bgpd: hint: {hint}", file=sys.stderr)
    return CANNOT_START


class _Daemon:
    """One run of the daemon. first: what the file means by itself, None = the cluster is in etcd."""

    def __init__(
        self, path: Path, config: Config, first: Resolved | None, threshold: logs.Threshold, *, flush: bool
    ) -> None:
        self._path = path
        self._first = first
        self._process = resolve_process(config)
        self._started = time.time()
        self._threshold = threshold
        self._flush = flush
        self._notifier = Notifier()
        self._changed = asyncio.Event()  # a changed file was read before there was a speaker to reload
        self._watchdog: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Start, serve until a signal comes, stop. Raises ApiError, ListenError, KernelError."""
        require_libraries()
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to reload
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        control = Path(self._process.control.socket)
        bound: Bound = []
        files: list[Path] = []
        try:
            for path, mode, is_full in (
                (control, FULL_MODE, True),
                (control.with_name(control.name + READ_ONLY_SUFFIX), READ_ONLY_MODE, False),
            ):
                bound.append((bind_unix(path, mode, self._process.control.group if is_full else ""), is_full))
                files.append(path)
            if self._process.http is not None:
                bound.append((bind_tcp(self._process.http.host, self._process.http.port), False))
            if self._first is not None:
                await self._serve(loop, FileSource(self._path, self._first), None, self._first, None, bound, stop)
            else:
                await self._serve_cluster(loop, bound, stop)
        finally:
            if self._watchdog is not None:
                self._watchdog.cancel()
            for listener, _ in bound:
                listener.close()
            for path in files:
                path.unlink(missing_ok=True)

    async def _serve_cluster(self, loop: asyncio.AbstractEventLoop, bound: Bound, stop: asyncio.Event) -> None:
        """Serve with what file and etcd say together, as soon as there is something to start from."""
        stopping = loop.create_task(stop.wait())
        server = None
        try:
            while not stopping.done():
                clustering = self._open_cluster()
                loop.add_signal_handler(signal.SIGHUP, self._reread, clustering.source)
                starting = loop.create_task(clustering.source.start())
                try:
                    server = await self._wait(clustering, server, bound, starting, stopping)
                    if starting.done():
                        first = starting.result()
                        await self._serve(loop, clustering.source, clustering, first, server, bound, stop)
                        return
                finally:
                    starting.cancel()
                    await asyncio.gather(starting, return_exceptions=True)
                    await clustering.close()
            if server is not None:
                await server.close()
        finally:
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)

    async def _wait(
        self,
        clustering: "Clustering",
        server: "Server | None",
        bound: Bound,
        *ends: "asyncio.Task[Resolved] | asyncio.Task[None] | asyncio.Task[bool]",
    ) -> "Server | None":
        """Return when one of the tasks has ended or the file has changed, and who answers on the sockets by then."""
        self._changed.clear()
        changing = asyncio.get_running_loop().create_task(self._changed.wait())
        tasks = (*ends, changing)
        try:
            done, _ = await asyncio.wait(tasks, timeout=SHORT_WAIT, return_when=asyncio.FIRST_COMPLETED)
            if done:
                return server
            if server is None:
                server = await make_server(self._waiting(clustering))
                await answer(server, bound)
                gc.enable()  # this may last, and each try leaves something
            server.look(self._waiting(clustering))
            self._ready("waiting for a first configuration")
            _log.warning("waiting for a first configuration", reason=_why(clustering.source))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return server
        finally:
            changing.cancel()
            await asyncio.gather(changing, return_exceptions=True)

    def _reread(self, source: ConfigSource) -> None:
        """Read the file again while the first configuration is waited for; a faulty one changes nothing."""
        try:
            config = load(self._path)
            if config.etcd is None:
                why = "is gone: bgpd waits for the cluster in etcd, and takes a file without one after a restart only"
                raise ConfigError((Problem(str(self._path), "etcd", why),))
        except ConfigError as error:
            for problem in error.problems:
                _log.error("configuration not reloaded", reason=str(problem))
            source.state.refused = str(error)
            return
        process = resolve_process(config)
        for key in ("control", "http"):
            if getattr(process, key) != getattr(self._process, key):
                _log.warning("needs a restart", key=key)
        self._process = replace(process, control=self._process.control, http=self._process.http)
        self._threshold.set(config.log.level.value)
        _log.info("configuration reloaded, the cluster is asked anew")
        self._changed.set()

    def _open_cluster(self) -> "Clustering":
        quiet_grpc()
        from bgpd.cli.clustering import Clustering

        process = self._process
        assert process.etcd is not None  # else the file means something by itself
        copy = Path(process.control.socket + COPY_SUFFIX)
        elects = process.elects_reflectors
        return Clustering(self._path, process.name, process.etcd, copy, Random(), elects=elects)

    def _waiting(self, clustering: "Clustering") -> Waiting:
        state = clustering.source.state
        return Waiting(
            self._process.name,
            self._started,
            lambda: datastore_row(state, _now(), clustering.status_problem),
            lambda: datastore_statistics(state, _now(), clustering.status_writes),
        )

    async def _serve(
        self,
        loop: asyncio.AbstractEventLoop,
        source: ConfigSource,
        clustering: "Clustering | None",
        config: Resolved,
        server: "Server | None",
        bound: Bound,
        stop: asyncio.Event,
    ) -> None:
        """Run a speaker. server: that answers already, None = there is none yet."""
        for notice in notices(config):
            _log.warning("not supported", notice=notice)
        self._threshold.set(config.log.level.value)
        speaker = Speaker(config, loop, TcpNetwork(), Random())
        lag, garbage = LoopLag(loop), Garbage(loop)
        path = Path(self._process.control.socket)
        mark, drain_mark = RunMark(path), DrainMark(path)
        operations = SpeakerOperations(speaker, source, clustering, self._threshold, lag, self._notifier, drain_mark)
        taken_out = drain_mark.read()
        if taken_out != NOTHING:
            what = "node" if taken_out.node else f"peers {', '.join(sorted(taken_out.peers))}"
            _log.warning("drained before this start, and until bgpctl undrain", what=what)
        garbage.start()
        await speaker.start(mark.former(), taken_out)
        beat = loop.create_task(_keep_marked(mark, drain_mark, speaker))
        loop.add_signal_handler(signal.SIGHUP, self._reload, operations)
        if self._changed.is_set():
            self._reload(operations)
        following = loop.create_task(_follow(source, operations))
        if clustering is not None:
            clustering.report(speaker, self._started)
        answering = Answering(bound, server)
        answering.begin(operations)
        lag.start()
        self._ready(operations.summary())
        node = config.node
        _log.info("bgpd is up", version=bgpd.__version__, node=node.name, asn=node.asn, peers=len(speaker.peers))
        await stop.wait()
        _log.info("stopping", flush=self._flush)
        self._notifier.stopping()
        lag.stop()
        garbage.stop()
        beat.cancel()
        following.cancel()
        await answering.close()
        if self._flush or speaker.is_draining:
            mark.remove()
        else:
            mark.alive(speaker.peers_from_ranges())
        await speaker.stop(flush=self._flush)

    def _reload(self, operations: SpeakerOperations) -> None:
        task = asyncio.get_running_loop().create_task(_reload_and_log(operations))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _ready(self, status: str) -> None:
        """Tell the service manager that it can count on us, and from now on that we live."""
        self._notifier.ready(status)
        if self._notifier.watchdog and self._watchdog is None:
            self._watchdog = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            self._notifier.alive()
            await asyncio.sleep(self._notifier.watchdog / 2)


async def _keep_marked(mark: RunMark, drain_mark: DrainMark, speaker: Speaker) -> None:
    while True:
        mark.alive(speaker.peers_from_ranges())
        drain_mark.keep(speaker.taken_out)  # a peer that was drained may have gone, or have another name
        await asyncio.sleep(INTERVAL)


async def _follow(source: ConfigSource, operations: SpeakerOperations) -> None:
    """Apply each configuration that the source comes to; the root of its task."""
    try:
        async for config in source.changes():
            operations.apply(config)
    except Exception:
        source.state.refused = "a fault in bgpd, see its log; nothing more is applied before a restart"
        _log.exception("a fault in bgpd: the datastore is not followed any more")


def _why(source: ConfigSource) -> str:
    return source.state.why or source.state.waiting


def _now() -> Moment:
    return Moment(asyncio.get_running_loop().time(), time.time())


async def _reload_and_log(operations: SpeakerOperations) -> None:
    try:
        await operations.reload()
    except Refused:
        _log.error("the former configuration stays in force")
