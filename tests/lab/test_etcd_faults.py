"""Whatever happens to etcd, routing goes on, and the state is right when etcd is: whole daemons, real kernels.

Pings run among all containers meanwhile, and every deletion of a route of ours is counted. How the client and the
source behave by themselves is in tests/datastore.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from bgpd.api.rows import DatastoreRow
from bgpd.lab import LabOptions
from bgpd.lab.namespaces import have_privileges
from bgpd.lab.nodes import Node
from tests.support.daemon import free_port
from tests.support.etcd import EtcdCluster, Tls
from tests.support.etcd_lab import GATEWAY, RESOURCES, EtcdLab, affinity, node_key, of_host, pools, resource
from tests.support.undisturbed import undisturbed

pytestmark = [
    pytest.mark.netns,
    pytest.mark.etcd,
    pytest.mark.skipif(not have_privileges(), reason="network namespaces need root"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]

PATIENCE: Final = 60.0  # a daemon that etcd failed for long asks again every 15 s or so
GARBAGE: Final = "{hunter2"  # what no log may show


@contextmanager
def running(lab: EtcdLab) -> Iterator[EtcdLab]:
    """Two nodes in a mesh, routes and pings in both ways."""
    with lab:
        lab.write(pools() | {key: value for node in lab for key, value in of_host(node).items()})
        lab.start()
        lab.wait_answering()
        lab.wait_for(lambda: all(lab.up(node) == 2 for node in lab), "the sessions")
        for node, other in ((lab["node1"], 2), (lab["node2"], 1)):
            lab.wait_for(lambda node=node, other=other: f"10.65.{other}.0/26" in node.kernel_prefixes(), "a route")
        wait_each(lab, lambda row: row.is_connected, "it follows etcd")
        yield lab


@pytest.fixture
def single(tmp_path: Path) -> Iterator[EtcdLab]:
    with running(EtcdLab(LabOptions(nodes=2, containers=1), tmp_path)) as lab:
        yield lab


@pytest.fixture
def trio(tmp_path: Path) -> Iterator[EtcdLab]:
    with running(EtcdLab(LabOptions(nodes=2, containers=1), tmp_path, members=3)) as lab:
        yield lab


def store(lab: EtcdLab, node: Node) -> DatastoreRow:
    """Return what a daemon says of etcd."""
    row = lab.status(node).datastore
    assert row is not None
    return row


def copy_of(node: Node) -> Path:
    """Return where a daemon keeps a copy of etcd's keys."""
    return node.socket.with_name("bgpd.sock.etcd")


def wait_each(lab: EtcdLab, condition: Callable[[DatastoreRow], bool], what: str) -> None:
    """Wait until what each daemon says of etcd fulfils a condition."""
    for node in lab:
        lab.wait_for(lambda node=node: condition(store(lab, node)), f"{node.name} to say that {what}", PATIENCE)


def wait_lost(lab: EtcdLab, why: str = "") -> None:
    """Wait until both daemons say that they do not follow etcd, and why."""
    wait_each(lab, lambda row: not row.is_connected and why in row.why, f"it does not follow: {why}")


def wait_followed(lab: EtcdLab, number: int) -> None:
    """Change something in etcd and wait until both daemons have done it: node1 gets the block of that number."""
    wait_each(lab, lambda row: row.is_connected, "it follows etcd")
    give_block(lab, number)
    wait_routed(lab, number)


def give_block(lab: EtcdLab, number: int) -> None:
    """Let node1 own a block."""
    lab.write(dict((affinity("node1", block(number)),)))


def block(number: int) -> str:
    """Return one of the blocks that node1 has not at first."""
    return f"10.65.{100 + number}.0/26"


def wait_routed(lab: EtcdLab, number: int) -> None:
    """Wait until a block of node1 is a route on node2."""
    lab.wait_for(lambda: block(number) in lab["node2"].kernel_prefixes(), f"the route to {block(number)}", PATIENCE)


def test_an_etcd_that_is_gone_for_long_and_a_daemon_that_starts_meanwhile(single: EtcdLab) -> None:
    node = single["node2"]
    single.wait_for(copy_of(node).exists, "the copy of etcd's keys")
    with undisturbed(single) as seen:
        single.etcd.members[0].stop()
        wait_lost(single, "connection refused")
        node.kill()
        seen.go_on(20)
        node.start()
        single.wait_for(node.is_answering, "the daemon")
        single.wait_for(lambda: single.up(node) == 2, "the sessions of a daemon that starts from the copy", PATIENCE)
        seen.go_on(300)  # fifteen seconds: pauses between two tries are long by now
        assert all(single.up(one) == 2 for one in single)
        single.etcd.start(single.etcd.members[0])
        wait_followed(single, 1)


def test_an_etcd_that_is_restarted(single: EtcdLab) -> None:
    member = single.etcd.members[0]
    with undisturbed(single):
        for number in (1, 2, 3):
            member.stop()
            wait_lost(single)
            single.etcd.start(member)
            wait_followed(single, number)
    assert all(store(single, node).disconnects == 3 for node in single)


def test_changes_and_a_compaction_while_we_were_away(single: EtcdLab) -> None:
    member = single.etcd.members[0]
    with undisturbed(single):
        member.stop()
        wait_lost(single)
        ours = member.url
        member.url = f"http://{GATEWAY}:{free_port()}"  # nobody follows what happens there
        single.etcd.start(member)
        give_block(single, 1)
        give_block(single, 2)
        single.write(dict([resource("ippools", "more", cidr="10.77.0.0/16")]))
        revision = json.loads(single.etcd.etcdctl("get", "/", "-w", "json"))["header"]["revision"]
        single.etcd.etcdctl("compact", str(revision))
        member.stop()
        member.url = ours
        single.etcd.start(member)
        wait_routed(single, 1)
        wait_routed(single, 2)
        wait_followed(single, 3)
    assert not any(store(single, node).problems for node in single)


def test_an_etcd_that_lost_everything_and_is_filled_again(single: EtcdLab) -> None:
    member = single.etcd.members[0]
    with undisturbed(single) as seen:
        member.stop()
        member.erase()
        single.etcd.start(member)
        wait_each(single, lambda row: bool(row.waiting), "keys are missing")
        seen.go_on(40)
        assert all(single.up(node) == 2 for node in single)
        single.write(single.contents)
        wait_followed(single, 1)
    assert all(not store(single, node).waiting for node in single)


def test_values_that_are_corrupted_leave_the_last_good_ones(single: EtcdLab) -> None:
    good = dict(single.contents)
    keys = [node_key("node2"), f"{RESOURCES}/ippools/pods-v4", affinity("node2", "10.65.2.0/26")[0]]
    with undisturbed(single) as seen:
        single.write(dict.fromkeys(keys, GARBAGE))
        wait_each(single, lambda row: set(keys[:2]) <= {one.key for one in row.problems}, "these keys are no good")
        seen.go_on(20)
        wait_followed(single, 1)
        single.write({key: good[key] for key in keys})
        wait_each(single, lambda row: not row.problems, "all keys are good")
        wait_followed(single, 2)
    for node in single:
        logged = node.log_file.read_text()
        assert keys[0] in logged
        assert "hunter2" not in logged


def test_a_daemon_that_starts_while_values_are_corrupted_goes_on_with_the_last_good_ones(single: EtcdLab) -> None:
    node = single["node1"]
    keys = [node_key("node1"), node_key("node2"), f"{RESOURCES}/ippools/pods-v4"]
    single.wait_for(copy_of(node).exists, "the copy of etcd's keys")
    with undisturbed(single) as seen:
        single.write(dict.fromkeys(keys, GARBAGE))
        wait_each(single, lambda row: set(keys) <= {one.key for one in row.problems}, "these keys are no good")
        for _ in range(2):  # the copy must not take over what is no good
            before = copy_of(node).stat().st_mtime_ns
            single.write({"/calico/ipam/v2/host/node9/ipv4/block/10.65.99.0-26": {"state": str(before)}})
            single.wait_for(lambda before=before: copy_of(node).stat().st_mtime_ns > before, "another copy", PATIENCE)
            node.kill()
            node.start()
            single.wait_for(node.is_answering, "the daemon")
            single.wait_for(lambda: single.up(node) == 2, "the sessions")
            single.wait_for(lambda: single.status(node).fib_installed >= 2, "the routes")
            seen.go_on(20)
            assert set(keys) <= {one.key for one in store(single, node).problems}


def test_the_member_that_we_are_connected_to_is_lost(trio: EtcdLab) -> None:
    with undisturbed(trio):
        for number in (1, 2):
            asked = store(trio, trio["node1"]).endpoint
            member = next(one for one in trio.etcd.members if one.url == asked)
            member.stop()
            trio.wait_for(lambda asked=asked: store(trio, trio["node1"]).endpoint != asked, "another to be asked")
            wait_followed(trio, number)
            trio.etcd.start(member)


def test_a_cluster_without_a_leader_that_elects_one(trio: EtcdLab) -> None:
    with undisturbed(trio) as seen:
        for member in trio.etcd.members[:2]:
            member.stop()
        wait_lost(trio)
        seen.go_on(100)
        trio.etcd.start(trio.etcd.members[1])
        wait_followed(trio, 1)
        trio.etcd.start(trio.etcd.members[0])
        wait_followed(trio, 2)


def test_an_etcd_that_answers_after_ten_seconds(single: EtcdLab) -> None:
    member = single.etcd.members[0]
    with undisturbed(single) as seen:
        for number in (1, 2):
            member.freeze()
            seen.go_on(200)
            member.thaw()
            wait_followed(single, number)


USERS: Final = (
    "user add root:secret",
    "user grant-role root root",
    "role add bgp",
    "role grant-permission bgp --prefix=true readwrite /calico/",
    "role grant-permission bgp --prefix=true readwrite /bgpd/",
    "user add bgpd:swordfish",
    "user grant-role bgpd bgp",
    "auth enable",
)


def test_a_user_that_loses_its_rights_or_its_password(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("swordfish")
    lab = EtcdLab(
        LabOptions(nodes=2, containers=1), tmp_path, access=f'username = "bgpd"\npassword_file = "{password}"'
    )
    with running(lab):
        for words in USERS:
            lab.etcd.etcdctl(*words.split())
        lab.etcd.user = "root:secret"
        member = lab.etcd.members[0]
        with undisturbed(lab) as seen:
            member.stop()
            lab.etcd.start(member)
            wait_followed(lab, 1)

            lab.etcd.etcdctl("user", "revoke-role", "bgpd", "bgp")
            give_block(lab, 2)  # a watch that stands may tell it or not
            member.stop()
            lab.etcd.start(member)
            wait_lost(lab, "user bgpd may not do that")
            seen.go_on(20)
            lab.etcd.etcdctl("user", "grant-role", "bgpd", "bgp")
            wait_routed(lab, 2)
            wait_followed(lab, 3)

            lab.etcd.etcdctl("user", "passwd", "--interactive=false", "bgpd", given="changed\n")
            member.stop()
            lab.etcd.start(member)
            wait_lost(lab, "it refuses user bgpd or the password in")
            seen.go_on(20)
            password.write_text("changed")
            wait_followed(lab, 4)


def fill(etcd: EtcdCluster, octets: int) -> None:
    """Write so much."""
    puts = "\n".join(f"put /filler{number} {'x' * 100_000}" for number in range(10))
    for _ in range(octets // 1_000_000):
        etcd.etcdctl("txn", given=f"\n{puts}\n\n\n")


def test_a_database_that_is_full_takes_the_status_key_and_nothing_else(tmp_path: Path) -> None:
    quota = 16 << 20
    lab = EtcdLab(LabOptions(nodes=2, containers=1), tmp_path, "--quota-backend-bytes", str(quota))
    with running(lab), undisturbed(lab) as seen:
        with pytest.raises(AssertionError, match="space exceeded"):
            fill(lab.etcd, 2 * quota)
        assert "NOSPACE" in lab.etcd.etcdctl("alarm", "list")
        node = lab["node2"]
        node.kill()  # its status key has to be written anew
        node.start()
        lab.wait_for(node.is_answering, "the daemon")
        lab.wait_for(lambda: "database is full" in store(lab, node).status_key, "the key to be refused", PATIENCE)
        lab.wait_for(lambda: all(lab.up(one) == 2 for one in lab), "the sessions")
        assert store(lab, node).is_connected
        seen.go_on(20)
        revision = json.loads(lab.etcd.etcdctl("get", "/", "-w", "json"))["header"]["revision"]
        lab.etcd.etcdctl("del", "--prefix", "/filler")
        lab.etcd.etcdctl("compact", str(revision + 1))
        lab.etcd.etcdctl("defrag")
        lab.etcd.etcdctl("alarm", "disarm")
        lab.wait_for(lambda: not store(lab, node).status_key, "the status key to be written", PATIENCE)
        wait_followed(lab, 1)


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[EtcdLab]:
    tls = Tls(tmp_path / "tls", GATEWAY)
    with running(EtcdLab(LabOptions(nodes=2, containers=1), tmp_path, tls=tls)) as lab:
        yield lab


def test_certificates_that_are_wrong_or_out_of_date(secured: EtcdLab, tmp_path: Path) -> None:
    member, good = secured.etcd.members[0], secured.etcd.tls
    assert good is not None
    with undisturbed(secured) as seen:
        member.stop()
        secured.etcd.tls = Tls(tmp_path / "other", GATEWAY)
        secured.etcd.start(member)
        wait_lost(secured, "its certificate is not one of the authority in")
        seen.go_on(20)

        member.stop()
        secured.etcd.tls = good
        good.issue("node", -1)
        secured.etcd.start(member)
        wait_lost(secured, "its certificate has expired")

        member.stop()
        good.issue("node")
        good.issue("client", -1)
        secured.etcd.start(member)
        wait_lost(secured, "certificate of ours")

        good.issue("client")
        wait_followed(secured, 1)
