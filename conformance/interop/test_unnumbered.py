"""Peers named by their interface: found on the link, IPv4 over IPv6 next hops, traffic that flows; with FRR too."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from conformance.interop.daemon import Daemon
from conformance.interop.process import Process, find, said
from conformance.interop.waiting import eventually
from tests.support.netns import Namespace, join, namespaces

pytestmark = [pytest.mark.netns]

LEFT, RIGHT, THIRD = "10.65.1.1", "10.65.2.1", "10.65.3.1"


class Link(NamedTuple):
    """Two hosts on one link with nothing but link-local addresses on it, and an address of their own each."""

    left: Namespace
    right: Namespace


@contextmanager
def link() -> Iterator[Link]:
    with namespaces("left", "right") as (left, right):
        for namespace, address in ((left, LEFT), (right, RIGHT)):
            quick_addresses(namespace)
            namespace.ip(f"address add {address}/32 dev lo")
        join(left, "eth0", right, "eth0")
        yield Link(left, right)


def quick_addresses(namespace: Namespace) -> None:
    """Let link-local addresses be used without duplicate address detection, and forward nothing."""
    with namespace.entered():
        Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0")


def configuration(address: str, asn: int, peer: str, more: str = "") -> str:
    return (
        f'[node]\nname = "n{asn}"\nasn = {asn}\naddresses = ["{address}/32"]\n'
        "[session]\nebgp_requires_policy = false\nconnect_retry_time = 1\nidle_hold = { first = 0.2, max = 1 }\n"
        f'[[network]]\nprefix = "{address}/32"\n'
        f"[[peer]]\n{peer}\n{more}\n"
    )


@contextmanager
def daemon(namespace: Namespace, directory: Path, text: str) -> Iterator[Daemon]:
    made = Daemon(namespace, directory)
    made.configure(text)
    made.start()
    try:
        yield made
    finally:
        made.stop()
    assert made.faults() == []


def is_up(made: Daemon, name: str = "eth0") -> bool:
    return made.peers()[name].is_up


def link_local(namespace: Namespace, device: str = "eth0") -> str:
    said_ = namespace.ip(f"-6 -brief address show dev {device} scope link")
    return next(word.partition("/")[0] for word in said_.split() if word.startswith("fe80"))


def ping(namespace: Namespace, source: str, target: str) -> None:
    namespace.run("ping", "-c", "1", "-W", "2", "-I", source, target)


@pytest.mark.rfc("8950", "4")
@pytest.mark.rfc("4861", "6.2")
@pytest.mark.parametrize(("first", "second"), [("external", "external"), ("65002", "65001")])
@pytest.mark.parametrize("passive", ["", "left", "right"])
def test_two_bgpd_meet_on_a_link_without_addresses(tmp_path: Path, first: str, second: str, passive: str) -> None:
    asns = [asn if asn.isdigit() else f'"{asn}"' for asn in (first, second)]
    peers = [
        f'interface = "eth0"\nasn = {asn}\n' + ("passive = true\n" if passive == side else "")
        for side, asn in zip(("left", "right"), asns, strict=True)
    ]
    with (
        link() as (left, right),
        daemon(left, tmp_path / "left", configuration(LEFT, 65001, peers[0])) as one,
        daemon(right, tmp_path / "right", configuration(RIGHT, 65002, peers[1])) as other,
    ):
        eventually("both are up", lambda: is_up(one) and is_up(other))
        route = eventually("the left kernel has the route", lambda: one.kernel_route(f"{RIGHT}/32"))
        assert (route.via, route.dev) == ({"family": "inet6", "host": link_local(right)}, "eth0")
        eventually("the right kernel has the route", lambda: other.kernel_route(f"{LEFT}/32"))
        ping(left, LEFT, RIGHT)
        assert one.peers()["eth0"].address == f"{link_local(right)}%eth0"


def test_internal_peers_meet_too(tmp_path: Path) -> None:
    peer = 'interface = "eth0"\nname = "neighbour"\nasn = "internal"\n'
    with (
        link() as (left, right),
        daemon(left, tmp_path / "left", configuration(LEFT, 65001, peer)) as one,
        daemon(right, tmp_path / "right", configuration(RIGHT, 65001, peer)) as other,
    ):
        eventually("both are up", lambda: is_up(one, "neighbour") and is_up(other, "neighbour"))
        eventually("the left kernel has the route", lambda: one.kernel_route(f"{RIGHT}/32"))
        eventually("the right kernel has the route", lambda: other.kernel_route(f"{LEFT}/32"))
        ping(left, LEFT, RIGHT)


def test_signed_sessions_meet(tmp_path: Path) -> None:
    peer = 'interface = "eth0"\nasn = "external"\npassword = "secret"\nttl_security = 1\n'
    with (
        link() as (left, right),
        daemon(left, tmp_path / "left", configuration(LEFT, 65001, peer)) as one,
        daemon(right, tmp_path / "right", configuration(RIGHT, 65002, peer)) as other,
    ):
        eventually("both are up", lambda: is_up(one) and is_up(other))


def test_interface_that_vanishes_and_comes_back(tmp_path: Path) -> None:
    peer = 'interface = "eth0"\nasn = "external"\n'
    with (
        link() as (left, right),
        daemon(left, tmp_path / "left", configuration(LEFT, 65001, peer)) as one,
        daemon(right, tmp_path / "right", configuration(RIGHT, 65002, peer)) as other,
    ):
        eventually("both are up", lambda: is_up(one) and is_up(other))
        left.ip("link delete eth0")
        eventually("it says so", lambda: "there is no interface eth0" in one.peers()["eth0"].last_error)
        assert one.kernel_route_or_none(f"{RIGHT}/32") is None
        join(left, "eth0", right, "eth0")
        eventually("both are up again", lambda: is_up(one) and is_up(other), 40)
        eventually("the route is back", lambda: one.kernel_route(f"{RIGHT}/32"))
        ping(left, LEFT, RIGHT)


def test_neighbour_with_another_link_local_address(tmp_path: Path) -> None:
    peer = 'interface = "eth0"\nasn = "external"\nhold_time = 3\n'
    with (
        link() as (left, right),
        daemon(left, tmp_path / "left", configuration(LEFT, 65001, peer)) as one,
        daemon(right, tmp_path / "right", configuration(RIGHT, 65002, peer)) as other,
    ):
        eventually("both are up", lambda: is_up(one) and is_up(other))
        old = link_local(right)
        right.ip(f"address delete {old}/64 dev eth0")
        right.ip("address add fe80::beef/64 dev eth0 nodad")
        eventually("it was found", lambda: one.peers()["eth0"].address == "fe80::beef%eth0", 40)
        eventually("both are up again", lambda: is_up(one) and is_up(other), 40)
        eventually("the way is new", lambda: one.kernel_route(f"{RIGHT}/32").way == "fe80::beef")


def test_two_neighbours_on_one_link(tmp_path: Path) -> None:
    peer = 'interface = "eth0"\nasn = "external"\n'
    with namespaces("one", "two", "three", "switch") as (one, two, three, switch):
        switch.ip("link add br0 type bridge")
        switch.ip("link set br0 up")
        for number, namespace in enumerate((one, two, three)):
            quick_addresses(namespace)
            join(namespace, "eth0", switch, f"port{number}")
            switch.ip(f"link set port{number} master br0")
        with (
            daemon(two, tmp_path / "two", configuration(RIGHT, 65002, peer)),
            daemon(three, tmp_path / "three", configuration(THIRD, 65003, peer)) as third,
        ):
            eventually("the first two meet", lambda: is_up(third))
            with daemon(one, tmp_path / "one", configuration(LEFT, 65001, peer)) as first:
                eventually("it is unclear", lambda: "2 routers on eth0" in first.peers()["eth0"].last_error)
                error = first.peers()["eth0"].last_error
                assert link_local(two) in error
                assert link_local(three) in error
                assert is_up(third)  # who has a session goes on with it


def test_interface_that_is_not_there_yet(tmp_path: Path) -> None:
    peer = 'interface = "eth9"\nasn = "external"\n'
    with namespaces("alone") as (alone,), daemon(alone, tmp_path / "a", configuration(LEFT, 65001, peer)) as made:
        eventually("it says so", lambda: made.peers()["eth9"].last_error == "Held down: there is no interface eth9")
        assert made.peers()["eth9"].is_expected


@pytest.mark.parametrize("asn", ["external", "65002"])
def test_frr_as_the_neighbour(tmp_path: Path, asn: str) -> None:
    written = asn if asn.isdigit() else f'"{asn}"'
    with (
        link() as (left, right),
        frr(right, tmp_path / "frr"),
        daemon(left, tmp_path / "bgpd", configuration(LEFT, 65001, f'interface = "eth0"\nasn = {written}\n')) as made,
    ):
        eventually("the session is up", lambda: is_up(made), 40)
        route = eventually("our kernel has its route", lambda: made.kernel_route(f"{RIGHT}/32"))
        assert (route.via, route.dev) == ({"family": "inet6", "host": link_local(right)}, "eth0")
        eventually("FRR's kernel has ours", lambda: LEFT in right.ip("route show proto bgp"))
        ping(left, LEFT, RIGHT)


@contextmanager
def frr(namespace: Namespace, directory: Path) -> Iterator[None]:
    """FRR with one unnumbered neighbour."""
    directory.mkdir(parents=True)
    (directory / "vty").mkdir()
    (directory / "zebra.conf").write_text("")
    (directory / "frr.conf").write_text(
        "router bgp 65002\n bgp router-id 10.65.2.1\n no bgp ebgp-requires-policy\n no bgp network import-check\n"
        " neighbor eth0 interface remote-as external\n"
        " address-family ipv4 unicast\n"
        f"  network {RIGHT}/32\n  neighbor eth0 activate\n exit-address-family\n"
    )
    processes = [Process(namespace, directory / f"{name}.log") for name in ("zebra", "frr")]
    try:
        for process, path, name in zip(processes, ("zebra", "bgpd"), ("zebra", "frr"), strict=True):
            process.start(
                f"/usr/lib/frr/{path}",
                *("-f", f"{directory}/{name}.conf", "-i", f"{directory}/{name}.pid", "-z", f"{directory}/zserv.api"),
                *("--vty_socket", f"{directory}/vty", "-P", "0", "-u", "root", "-g", "frrvty"),
            )
            eventually(f"{path} answers", lambda path=path: "FRRouting" in version(directory, path))  # type: ignore[misc]
        yield
    finally:
        for process in reversed(processes):
            process.stop()


def version(directory: Path, name: str) -> str:
    try:
        return said(find("vtysh", "frr"), "--vty_socket", str(directory / "vty"), "-d", name, "-c", "show version")
    except subprocess.CalledProcessError as error:
        return str(error)
