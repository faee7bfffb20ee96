"""``bgpd lab``: build a cluster, show that it routes, take it away; or leave it up and say how to enter it."""

import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

from bgpd.lab import records, walkthrough
from bgpd.lab.cluster import Lab
from bgpd.lab.confinement import confined
from bgpd.lab.echo import PingMatrix
from bgpd.lab.namespaces import enter_user_namespace, have_privileges
from bgpd.lab.options import LabError, LabOptions, Underlay
from bgpd.lab.processes import ENDING, die_with_parent
from bgpd.lab.report import columns, matrix_lines, summary_lines
from bgpd.lab.topology import Role

_SESSION_PATIENCE: Final = 5.0  # seconds that sessions may come up later than the routes
_MOST_ROWS: Final = 60  # lines
_ESTABLISHED: Final = "Established"
_STATE: Final = 5  # column of the session table
_USAGE: Final = 2


class _Interrupted(Exception):
    """A signal asked us to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def run(options: LabOptions) -> int:
    """Do what the options ask; return the exit status: 0 all pings passed, 1 not, 2 wrong usage, 128+n by a signal."""
    try:
        if options.down:
            records.take_down(options.down)
            print(f"lab {options.down} is gone")
            return 0
        options.check()
    except LabError as error:
        print(f"bgpd lab: {error}", file=sys.stderr)
        return _USAGE
    records.sweep()
    if options.walkthrough:
        return _guarded(lambda: _walk(options))
    return _run_kept(options) if options.keep else _guarded(lambda: _run(options))


def _run(options: LabOptions) -> int:
    with _lab(options) as lab:
        return _show(lab)


def _walk(options: LabOptions) -> int:
    page = Path(options.walkthrough)
    if not page.is_file():
        raise LabError(f"there is no page {page}")
    if not have_privileges():
        enter_user_namespace()
    walk = walkthrough.record if options.record else walkthrough.walk
    directory = records.create(secrets.token_hex(3))
    try:
        return confined(lambda: _guarded(lambda: walk(page.absolute(), directory)))
    finally:
        records.remove(directory)


def _guarded(action: Callable[[], int]) -> int:
    """Return the action's exit status, with LabError and signals turned into text and a status."""
    for number in ENDING:
        signal.signal(number, _interrupt)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)  # a process may begin with them held
        return action()
    except LabError as error:
        print(f"bgpd lab: {error}", file=sys.stderr)
        return 1
    except _Interrupted as interrupted:
        print(f"bgpd lab: {interrupted}, all taken down", file=sys.stderr)
        return 128 + interrupted.number


def _interrupt(number: int, _: object) -> NoReturn:
    for other in ENDING:
        signal.signal(other, signal.SIG_IGN)  # nothing may disturb the taking down
    raise _Interrupted(number)


@contextmanager
def _lab(options: LabOptions) -> Iterator[Lab]:
    """Build the lab, in a user namespace if we are not root; say what it is and how long taking it down took."""
    if not have_privileges():
        enter_user_namespace()
    began = time.monotonic()
    with Lab(options) as lab:
        print(f"lab {lab.name}: {_describe(options)}")
        print(f"built in {time.monotonic() - began:.2f} s", flush=True)
        yield lab
        began = time.monotonic()
    print(f"taken down in {time.monotonic() - began:.2f} s", flush=True)


def _describe(options: LabOptions) -> str:
    parts = [f"{_count(options.nodes, 'node')} with {_count(options.containers, 'container')} each"]
    if options.underlay is Underlay.L3:
        parts.append("a subnet for each host and a router that speaks BGP")
    else:
        parts.append("one subnet")
    if options.reflectors:
        parts.append(_count(options.reflectors, "route reflector"))
    elif options.as_per_node:
        parts.append("an AS for each node, eBGP " + ("to the router" if options.underlay is Underlay.L3 else "mesh"))
    else:
        parts.append("full mesh")
    return ", ".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _show(lab: Lab) -> int:
    """Start the daemons, show what becomes of them; return the exit status."""
    began = time.monotonic()
    lab.start()
    started = time.monotonic()
    print(f"{_count(len(lab.nodes), 'bgpd')} started in {started - began:.2f} s", flush=True)
    is_converged = True
    try:
        lab.wait_answering()
        answering = time.monotonic()
        lab.wait_converged()
        print(
            f"converged {time.monotonic() - started:.2f} s after the last one was started, "
            f"{time.monotonic() - answering:.2f} s after the last one answered"
        )
        lab.wait_for(lambda: _are_up(lab), "every session to be Established", _SESSION_PATIENCE)
    except LabError as error:
        is_converged = False
        _print_failure(lab, error)
    _print_section("Sessions", _session_lines(lab))
    _print_section("Routes that bgpd wrote to the kernels", _route_lines(lab))
    matrix = lab.ping_all()
    _print_section("Pings between containers (4 = IPv4 passed, 6 = IPv6 passed)", _matrix(matrix))
    return 0 if is_converged and not matrix.failed else 1


def _matrix(matrix: PingMatrix) -> list[str]:
    return [*matrix_lines(matrix), *summary_lines(matrix)]


def _are_up(lab: Lab) -> bool:
    return all(peer.state == _ESTABLISHED for node in lab for peer in node.peers())


def _print_failure(lab: Lab, error: LabError) -> None:
    print(f"NOT converged: {error}")
    for name, prefixes in lab.missing().items():
        print(f"  {name} lacks {_count(len(prefixes), 'route')}, as {min(prefixes)}; its log ends:")
        print("".join(f"    {line}\n" for line in lab[name].log(8).splitlines()), end="")


def _print_section(title: str, lines: list[str]) -> None:
    print(f"\n{title}")
    print("".join(f"  {line}\n" for line in lines), end="", flush=True)


def _session_lines(lab: Lab) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for node in lab:
        try:
            peers = node.peers()
        except LabError as error:
            rows.append((node.name, *[""] * 8, str(error)))
            continue
        for peer in peers:
            asn = "" if peer.asn is None else str(peer.asn)
            counts = (str(peer.received), str(peer.accepted), str(peer.sent))
            rows.append((node.name, peer.name, peer.address, peer.type, asn, peer.state, *counts, peer.trouble))
    rows.sort(key=lambda row: row[_STATE] == _ESTABLISHED)  # what is not up first; a long list is cut
    header = ("NODE", "PEER", "ADDRESS", "TYPE", "AS", "STATE", "RCVD", "ACC", "SENT", "LAST-ERROR")
    up = sum(row[_STATE] == _ESTABLISHED for row in rows)
    return [*_shortened(columns(header, rows)), f"{up} of {len(rows)} sessions are Established"]


def _route_lines(lab: Lab) -> list[str]:
    rows = [(node.name, route.dst, route.gateway, route.dev) for node in lab for route in node.kernel_routes("186")]
    return _shortened(columns(("NODE", "PREFIX", "VIA", "DEVICE"), rows))


def _shortened(lines: list[str]) -> list[str]:
    if len(lines) <= _MOST_ROWS + 1:
        return lines
    return [*lines[: _MOST_ROWS + 1], f"... and {len(lines) - _MOST_ROWS - 1} more"]


def _run_kept(options: LabOptions) -> int:
    """Build the lab in a process of its own that stays behind; return the exit status once it stands."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os._exit(_hold(options, writing))
    os.close(writing)
    for number in ENDING:
        signal.signal(number, lambda number, _: os.kill(child, number))
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    if told:  # it stands and stays
        return told[0]
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _hold(options: LabOptions, writing: int) -> int:
    """Build the lab, tell the parent, then hold it until a signal comes."""
    os.setsid()
    die_with_parent(signal.SIGTERM)
    is_rootless = not have_privileges()

    def build_and_wait() -> int:
        with _lab(options) as lab:
            status = _show(lab)
            _print_section("It stays up", _ways_in(lab, is_rootless))
            die_with_parent(0)
            os.write(writing, bytes((status,)))
            os.close(writing)
            _leave_terminal()
            signal.pause()
        return status

    status = _guarded(build_and_wait)
    sys.stdout.flush()
    return status


def _leave_terminal() -> None:
    """Let go of the standard files, so that whoever waits for their end is not held up."""
    sys.stdout.flush()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _ways_in(lab: Lab, is_rootless: bool) -> list[str]:
    """Return how to enter a kept lab and how to remove it; links to the namespaces are made for that."""
    enter = "nsenter"
    if is_rootless:
        enter += f" --user=/proc/{os.getpid()}/ns/user --preserve-credentials"
    lines = []
    for node in lab:
        (node.directory / "netns").symlink_to(node.namespace.path)
        for container in node.containers.values():
            (lab.directory / container.plan.name).symlink_to(container.namespace.path)
    first = next(node for node in lab if node.plan.role is Role.NODE)
    lines.append(f"a shell on a node:       {enter} --net={first.directory}/netns")
    if first.containers:
        container = next(iter(first.containers.values()))
        lines.append(f"a shell in a container:  {enter} --net={lab.directory}/{container.plan.name}")
    lines.append(f"ask a node's bgpd:       bgpctl --socket {first.socket} peers")
    lines.append(f"files of the hosts:      {lab.directory}/NODE/bgpd.toml, bgpd.log")
    lines.append(f"remove it:               bgpd lab --down {lab.name}")
    return lines
