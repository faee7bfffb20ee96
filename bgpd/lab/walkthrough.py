"""A page of commands, run in order on hosts with an etcd, as typed; what they print is held to the page.

Hosts are those of a bridged lab: ``etcd``, at the gateway's address, and four nodes with nothing on them, each a
network namespace with a host name and a /run of its own. A node has a device ``tunl0``: the kernel's own, or a
stand-in.
"""

import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import bgpd
from bgpd.lab.namespaces import Namespace
from bgpd.lab.options import LabError, LabOptions
from bgpd.lab.page import Heading, Program, Step, is_alike, parse, rewritten
from bgpd.lab.terminal import Answer, Terminal
from bgpd.lab.topology import plan
from bgpd.lab.wiring import wire

NODES: Final = 4
ETCD: Final = "etcd"
PATIENCE: Final = 60.0  # seconds for a command
EVENTUALLY: Final = 40.0  # seconds until a command prints what it should
_PAUSE: Final = 0.3  # seconds between two tries
_TUNNEL: Final = "tunl0"
_PROGRAMS: Final = {"etcd": "etcd-server", "etcdctl": "etcd-client", "ping": "iputils-ping", "ip": "iproute2"}  # Debian
_OURS: Final = {"bgpd": "bgpd", "bgpctl": "bgpd.cli.ctl"}  # modules
_VARIABLES: Final = ("HOME", "LANG", "PYTHONDONTWRITEBYTECODE", "TMPDIR", "USER")  # that commands get of ours


def walk(page: Path, directory: Path) -> int:
    """Run a page; return the exit status, 0 = all is as the page has it. Raises LabError."""
    text = page.read_text()
    items = parse(text)
    with ExitStack() as stack:
        terminals = _terminals(stack, directory, [item for item in items if isinstance(item, Program)])
        began, done = time.monotonic(), 0
        for item in items:
            if not isinstance(item, Step):
                print("\n" + _introduced(item), flush=True)
                continue
            answer = _typed(terminals, item)
            if answer.status or not is_alike(answer.lines, item.shown):
                _complain(page, item, answer)
                return 1
            done += 1
        print(f"\n{done} commands did what {page} says, in {time.monotonic() - began:.1f} s", flush=True)
    return 0


def record(page: Path, directory: Path) -> int:
    """Run a page and write into it what its commands print now; return the exit status. Raises LabError."""
    text = page.read_text()
    items = parse(text)
    printed: dict[Step, tuple[str, ...]] = {}
    with ExitStack() as stack:
        terminals = _terminals(stack, directory, [item for item in items if isinstance(item, Program)])
        for item in items:
            if isinstance(item, Step):
                answer = _typed(terminals, item)
                if answer.status:
                    _complain(page, item, answer)
                    return 1
                printed[item] = answer.lines
    page.write_text(rewritten(text, printed))
    return 0


def _introduced(item: Heading | Program) -> str:
    if isinstance(item, Heading):
        return item.text
    return f"The program {item.name} on every host:\n" + "\n".join(f"  {line}".rstrip() for line in item.lines)


def _typed(terminals: dict[str, Terminal], step: Step) -> Answer:
    """Type a command, again if the page says so; show it with the last of its outputs."""
    print("\n".join(step.typed), flush=True)
    terminal = terminals.get(step.host)
    if terminal is None:
        raise LabError(f"line {step.line}: there is no host {step.host}, only {', '.join(terminals)}")
    answer = terminal.run(step.command, PATIENCE)
    ends = time.monotonic() + EVENTUALLY
    while step.is_awaited and not is_alike(answer.lines, step.shown) and time.monotonic() < ends:
        time.sleep(_PAUSE)
        answer = terminal.run(step.command, PATIENCE)
    print("".join(f"{line}\n" for line in answer.lines), end="", flush=True)
    return answer


def _complain(page: Path, step: Step, answer: Answer) -> None:
    sys.stdout.flush()
    where = f"bgpd lab: {page}:{step.line}: {step.typed[0]}"
    if answer.status:
        print(f"{where}: exit status {answer.status}", file=sys.stderr)
    else:
        print(f"{where}: printed something else than the page has:", file=sys.stderr)
        print("".join(f"  {line}\n" for line in step.shown), end="", file=sys.stderr, flush=True)


def _terminals(stack: ExitStack, directory: Path, programs: Iterable[Program]) -> dict[str, Terminal]:
    """Build the hosts; return a terminal on each."""
    if missing := [name for name in _PROGRAMS if shutil.which(name, path=_path()) is None]:
        packages = " ".join(sorted(_PROGRAMS[name] for name in missing))
        raise LabError(f"not installed: {', '.join(missing)}; on Debian: apt-get install {packages}")
    topology = plan(LabOptions(nodes=NODES, containers=0))
    spaces = {ETCD: _namespace(stack, ETCD)} | {host.name: _namespace(stack, host.name) for host in topology.hosts}
    nodes = {host.name: spaces[host.name] for host in topology.hosts}
    wire(topology, spaces[ETCD], nodes)
    _say_hosts(topology.hosts[0].gateway, [(host.name, str(host.interfaces[0].ipv4)) for host in topology.hosts])
    stand_ins = [name for name, space in nodes.items() if not _add_tunnel(space)]
    if stand_ins:
        print(
            f"No IPIP in this kernel: {_TUNNEL} on {', '.join(stand_ins)} is a STAND-IN, a bridge of that name.\n"
            "Routes through it are written and shown as they would be; it carries no packets."
        )
    environment = _environment(directory / "bin", programs)
    terminals = {}
    for name, space in spaces.items():
        terminals[name] = Terminal(name, space, directory / name, environment)
        stack.callback(terminals[name].close)
    return terminals


def _namespace(stack: ExitStack, name: str) -> Namespace:
    namespace = Namespace(name)
    stack.callback(namespace.close)
    return namespace


def _say_hosts(gateway: Iterable[object] | None, nodes: list[tuple[str, str]]) -> None:
    assert gateway is not None  # a bridged lab has one
    etcd, *_ = gateway
    print("Hosts, as network namespaces on this machine:")
    for name, address in [(ETCD, f"{etcd}/{nodes[0][1].partition('/')[2]}"), *nodes]:
        print(f"  {name:6} {address}")


def _add_tunnel(namespace: Namespace) -> bool:
    """Give a node its device for IPIP, up; return whether it is a real one."""
    is_real = _is_done(namespace, "link", "show", _TUNNEL) or _is_done(
        namespace, "link", "add", _TUNNEL, "type", "ipip"
    )
    # Loading the kernel's module makes the device in every namespace, and then our own addition fails.
    is_real = is_real or _is_done(namespace, "link", "show", _TUNNEL)
    if not is_real:
        namespace.ip("link", "add", _TUNNEL, "type", "bridge")
    namespace.ip("link", "set", _TUNNEL, "up")
    return is_real


def _is_done(namespace: Namespace, *words: str) -> bool:
    try:
        namespace.ip(*words)
    except LabError:
        return False
    return True


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin"


def _environment(place: Path, programs: Iterable[Program]) -> dict[str, str]:
    """Return the variables of the terminals: with our programs and the page's, without another etcd or daemon.

    place: for the programs.
    """
    place.mkdir()
    texts = {
        name: f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} "$@"\n' for name, module in _OURS.items()
    }
    texts |= {program.name: "\n".join(program.lines) + "\n" for program in programs}
    for name, text in texts.items():
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    return {
        **{name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "PATH": f"{place}:{_path()}",
        "PYTHONPATH": str(Path(bgpd.__file__).parent.parent),
        "LC_ALL": "C.UTF-8",
        "ETCDCTL_API": "3",
    }
