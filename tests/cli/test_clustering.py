"""bgpd as a process with its cluster in a real etcd: start, changes, etcd away, what the API and bgpctl say of it."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import msgspec
import pytest

from bgpd.api.rows import ClusterView, PeerRow
from tests.support.daemon import PATIENCE, Daemon, free_port, until
from tests.support.etcd import EtcdCluster, Tls

pytestmark = pytest.mark.etcd

RESOURCES = "/calico/resources/v3/projectcalico.org"


class CalicoDaemons:
    """An etcd with nodes n1, n2, ... on 127.0.0.1, 127.0.0.2, ..., and a bgpd for each that is started."""

    def __init__(self, directory: Path, tls: Tls | None = None) -> None:
        self.directory = directory
        self.etcd = EtcdCluster(directory, tls=tls)
        self.port = free_port()
        self.daemons: dict[int, Daemon] = {}

    def put(self, key: str, value: object) -> None:
        """Write a key."""
        self.etcd.etcdctl("put", key, value if isinstance(value, str) else json.dumps(value))

    def delete(self, key: str) -> None:
        """Delete a key."""
        self.etcd.etcdctl("del", key)

    def settings(self, **spec: object) -> None:
        """Write the cluster's BGPConfiguration."""
        self.put(
            f"{RESOURCES}/bgpconfigurations/default",
            resource("BGPConfiguration", "default", {"listenPort": self.port, **spec}),
        )

    def node(self, number: int, **bgp: object) -> None:
        """Write a node."""
        spec = {"bgp": {"ipv4Address": f"127.0.0.{number}/8", **bgp}}
        self.put(f"{RESOURCES}/nodes/n{number}", resource("Node", f"n{number}", spec))

    def block(self, number: int) -> None:
        """Give a node a block."""
        self.put(f"/calico/ipam/v2/host/n{number}/ipv4/block/10.65.{number}.0-26", {"state": "confirmed"})

    def file(self, number: int, more: str = "", etcd: str = "") -> Path:
        """Write a node's file."""
        path = self.directory / f"n{number}.toml"
        path.write_text(f"""
[node]
name = "n{number}"
listen = ["127.0.0.{number}"]
[session]
idle_hold = {{ first = 1, max = 1 }}
connect_retry_time = 1
[kernel]
enabled = false
[http]
listen = ""
[control]
socket = "{self.directory}/n{number}.sock"
[etcd]
endpoints = {json.dumps([member.url for member in self.etcd.members])}
{etcd}
{more}
""")
        return path

    def start(self, number: int, etcd: str = "", **environment: str) -> Daemon:
        """Start a bgpd. etcd: more lines of its [etcd]."""
        file = self.file(number, etcd=etcd)
        daemon = self.daemons[number] = Daemon(file, self.directory / f"n{number}.sock", environment=environment)
        return daemon

    def up(self, number: int) -> list[str]:
        """Return the addresses of the peers that a node has a session with."""
        rows = json.loads(self.daemons[number].ctl("peers", "-o", "json").stdout)
        return sorted(row["address"] for row in rows if row["is_up"])

    def close(self) -> None:
        """End everything."""
        for daemon in self.daemons.values():
            daemon.close()
        self.etcd.close()


@pytest.fixture
async def calico(tmp_path: Path) -> AsyncGenerator[CalicoDaemons, None]:
    made = CalicoDaemons(tmp_path)
    await made.etcd.answering()
    yield made
    made.close()


def resource(kind: str, name: str, spec: dict[str, object]) -> dict[str, object]:
    return {"kind": kind, "apiVersion": "projectcalico.org/v3", "metadata": {"name": name}, "spec": spec}


def check(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bgpd", "--config", str(file), "--check"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)


def prefixes(daemon: Daemon) -> list[str]:
    return sorted(row.prefix for row in daemon.routes())


def test_nodes_peer_and_follow_what_etcd_says(calico: CalicoDaemons) -> None:
    calico.settings(asNumber=64600)
    for number in (1, 2):
        calico.node(number)
        calico.block(number)
        calico.start(number)
    one, two = calico.daemons[1], calico.daemons[2]
    for daemon in (one, two):
        until(daemon.answers, "the API")
        until(lambda daemon=daemon: prefixes(daemon) == ["10.65.1.0/26", "10.65.2.0/26"], "both blocks")
    status = one.status()
    assert (status.node, status.asn, status.state) == ("n1", 64600, "ok")
    assert status.datastore is not None
    assert status.datastore.is_connected
    assert status.datastore.revision > 0

    # a third node joins by its key alone; nobody's session is touched
    calico.start(3)
    until(calico.daemons[3].answers, "the API of one that waits")
    until(lambda: calico.daemons[3].status().state == "waiting", "the wait")
    assert "n3" in " ".join(calico.daemons[3].status().problems)
    refused = calico.daemons[3].ctl("routes")
    assert refused.returncode == 1
    assert "waits for its first configuration" in refused.stderr
    calico.node(3)
    until(lambda: calico.daemons[3].status().state == "ok", "the third node")
    until(lambda: calico.up(1) == ["127.0.0.2", "127.0.0.3"], "its session")
    calico.block(3)
    until(lambda: "10.65.3.0/26" in prefixes(two), "its block")

    # a value that cannot be used changes nothing and is shown, never itself
    calico.put(f"{RESOURCES}/nodes/n2", '{"kind": "Node", "hunter2')
    until(lambda: one.status().state == "degraded", "the problem")
    assert f"{RESOURCES}/nodes/n2" in " ".join(one.status().problems)
    shown = one.ctl("status")
    assert "hunter2" not in shown.stdout
    calico.node(2)
    until(lambda: one.status().state == "ok", "the good value")

    # etcd is killed: routing goes on; what changed while it was away is there when it is back
    member = calico.etcd.members[0]
    member.stop()
    until(lambda: one.status().state == "degraded", "etcd's end")
    (problem, *_) = one.status().problems
    assert "connection refused" in problem or "closed" in problem or "Connection reset" in problem
    assert (calico.up(1), prefixes(one)) == (
        ["127.0.0.2", "127.0.0.3"],
        ["10.65.1.0/26", "10.65.2.0/26", "10.65.3.0/26"],
    )
    calico.etcd.start(member)
    until(lambda: _can(lambda: calico.delete("/calico/ipam/v2/host/n3/ipv4/block/10.65.3.0-26")), "etcd's return")
    until(lambda: "10.65.3.0/26" not in prefixes(one), "the block's end")
    calico.delete(f"{RESOURCES}/nodes/n3")
    until(lambda: [row.address for row in _peers(one)] == ["127.0.0.2"], "the node's end")
    assert one.peer().flaps == 0

    text = one.ctl("status").stdout
    assert "followed at http://127.0.0.1" in text
    for number in (1, 2):
        ended, logged = calico.daemons[number].end()
        assert ended == 0
        assert "Traceback" not in logged
        assert "hunter2" not in logged


def _can(act: Callable[[], object]) -> bool:
    try:
        act()
    except (AssertionError, msgspec.DecodeError):
        return False
    return True


def _peers(daemon: Daemon) -> list[PeerRow]:
    return msgspec.json.decode(daemon.ctl("peers", "-o", "json").stdout, type=list[PeerRow])


def test_every_node_shows_all_sessions_from_both_ends(calico: CalicoDaemons) -> None:
    calico.settings()
    for number in (1, 2, 3):
        calico.node(number)
    for number in (1, 2):
        calico.start(number)
    one = calico.daemons[1]
    until(one.answers, "the API")

    def view() -> ClusterView:
        return msgspec.json.decode(one.ctl("cluster", "-o", "json").stdout or "{}", type=ClusterView)

    def has(ends: set[tuple[str, str, str]]) -> bool:
        return {(row.node, row.other, row.verdict) for row in view().sessions} == ends

    until(lambda: _can(view) and has({("n1", "n2", "up"), ("n1", "n3", "dead"), ("n2", "n3", "dead")}), "the cluster")
    assert [(row.node, row.state) for row in view().nodes] == [("n1", "up"), ("n2", "up"), ("n3", "dead")]
    shown = one.ctl("cluster")
    assert shown.returncode == 1
    assert "n3" in shown.stdout
    calico.start(3)
    until(lambda: has({("n1", "n2", "up"), ("n1", "n3", "up"), ("n2", "n3", "up")}), "the third node")
    assert one.ctl("cluster").returncode == 0
    writes = _revision(calico)
    time.sleep(3)  # at rest nothing is written
    assert _revision(calico) - writes <= 1
    calico.daemons[3].end()
    until(lambda: "n3" in [row.node for row in view().nodes if row.state == "dead"], "its key's end")


def _revision(calico: CalicoDaemons) -> int:
    answer = json.loads(calico.etcd.etcdctl("get", "/", "-w", "json"))
    return int(answer["header"]["revision"])


def test_a_check_reads_etcd_too(calico: CalicoDaemons) -> None:
    calico.settings(asNumber=64600)
    file = calico.file(1)
    missing = check(file)
    assert missing.returncode == 1
    assert "bgpd would wait" in missing.stderr
    calico.node(1)
    calico.node(2)
    good = check(file)
    assert (good.returncode, good.stderr) == (0, "")
    assert "node n1, AS 64600, 1 peers" in good.stdout
    calico.put(f"{RESOURCES}/nodes/n3", "{nonsense")
    bad = check(file)
    assert bad.returncode == 2
    assert f"{RESOURCES}/nodes/n3" in bad.stderr
    calico.etcd.members[0].stop()
    away = check(file)
    assert away.returncode == 1
    assert "etcd cannot be read" in away.stderr
    assert "connection refused" in away.stderr
    assert "Traceback" not in away.stderr


def test_a_daemon_that_starts_without_etcd_waits_and_says_why(calico: CalicoDaemons) -> None:
    calico.settings()
    calico.node(1)
    member = calico.etcd.members[0]
    member.stop()
    one = calico.start(1)
    until(one.answers, "the API")
    status = one.status()
    assert status.state == "waiting"
    assert "connection refused" in status.problems[0]
    one.process.send_signal(signal.SIGHUP)  # before there is anything to reload
    calico.etcd.start(member)
    until(lambda: one.status().state == "ok", "the start")
    ended, logged = one.end()
    assert ended == 0
    assert "Traceback" not in logged

    # it has seen the cluster now: without etcd it starts from what it saw
    member.stop()
    again = calico.start(1)
    until(again.answers, "the API")
    until(lambda: again.status().state != "waiting", "the start from the copy")
    status = again.status()
    assert (status.asn, status.state) == (64512, "degraded")
    assert "connection refused" in " ".join(status.problems)
    calico.etcd.start(member)
    until(lambda: again.status().state == "ok", "etcd's return")
    ended, logged = again.end()
    assert ended == 0
    assert "starting from a copy" in logged
    assert "Traceback" not in logged


def test_a_daemon_that_waits_takes_a_changed_file_when_it_is_hung_up(calico: CalicoDaemons) -> None:
    calico.settings()
    calico.node(2)
    one = calico.start(1)
    until(one.answers, "the API")
    status = one.status()
    assert (status.state, status.node) == ("waiting", "n1")
    file = calico.directory / "n1.toml"
    good = file.read_text()

    file.write_text(good + "[nonsense]\n")
    one.process.send_signal(signal.SIGHUP)
    until(lambda: "nonsense" in " ".join(one.status().problems), "a word about the fault")
    assert one.status().state == "waiting"

    file.write_text(good.replace('name = "n1"', 'name = "n2"').replace("n1.sock", "other.sock"))
    one.process.send_signal(signal.SIGHUP)
    until(lambda: one.status().state == "ok", "the start as the other node")
    assert one.status().node == "n2"
    ended, logged = one.end()
    assert ended == 0
    assert "configuration not reloaded" in logged
    assert "control" in logged
    assert "Traceback" not in logged


def test_a_daemon_that_waits_does_not_lose_its_cluster_when_it_is_hung_up(calico: CalicoDaemons) -> None:
    calico.settings()
    one = calico.start(1)
    until(one.answers, "the API")
    file = calico.directory / "n1.toml"
    with_etcd = file.read_text()
    alone = with_etcd.replace("[node]", '[node]\nasn = 64512\naddresses = ["127.0.0.1/8"]')
    file.write_text(alone.partition("[etcd]")[0])
    one.process.send_signal(signal.SIGHUP)
    until(lambda: "restart" in " ".join(one.status().problems), "a word about the missing table")
    file.write_text(with_etcd)
    calico.node(1)
    until(lambda: one.status().state == "ok", "the start")
    assert one.status().problems == ()
    assert one.end()[0] == 0


def test_the_service_manager_hears_of_a_daemon_that_waits(calico: CalicoDaemons) -> None:
    calico.etcd.members[0].stop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(calico.directory / "notify"))
        manager.settimeout(PATIENCE)
        one = calico.start(1, NOTIFY_SOCKET=str(calico.directory / "notify"), WATCHDOG_USEC="400000")
        heard = set()
        until(lambda: heard.add(manager.recv(4096)) or {b"WATCHDOG=1\n"} < heard, "READY and the watchdog")
        assert b"READY=1\nSTATUS=waiting for a first configuration\n" in heard
    assert one.end()[0] == 0


async def test_a_user_with_few_rights_is_enough_to_route(tmp_path: Path) -> None:
    tls = Tls(tmp_path / "tls")
    calico = CalicoDaemons(tmp_path, tls)
    try:
        await calico.etcd.answering()
        calico.settings()
        calico.node(1)
        (tmp_path / "password").write_text("sesame")
        for words in (
            "user add root:secret", "user grant-role root root", "role add bgp", "user add bgpd:sesame",
            "role grant-permission bgp --prefix=true read /calico/", "user grant-role bgpd bgp", "auth enable",
        ):  # fmt: skip
            calico.etcd.etcdctl(*words.split())
        files = f'ca_file = "{tls.ca}"\ncert_file = "{tls.certificate}"\nkey_file = "{tls.key}"\n'
        one = calico.start(1, files + 'username = "bgpd"\npassword_file = "password"\n')
        until(one.answers, "the API")
        until(lambda: one.status().state == "degraded", "the status key's refusal")
        (problem,) = one.status().problems
        assert "our status key in etcd is not written" in problem
        assert "user bgpd may not do that" in problem
        assert one.status().asn == 64512
        assert one.ctl("cluster").returncode == 1
    finally:
        calico.close()


def test_a_changed_file_is_shown_and_reloaded_with_the_cluster(calico: CalicoDaemons) -> None:
    calico.settings()
    for number in (1, 2):
        calico.node(number)
        calico.start(number)
    one = calico.daemons[1]
    until(one.answers, "the API")
    until(lambda: calico.up(1) == ["127.0.0.2"], "the session")
    changed = calico.directory / "changed.toml"
    file = calico.file(1, '[[network]]\nprefix = "192.0.2.0/24"\n')
    changed.write_text(file.read_text())
    calico.file(1)
    planned = one.ctl("diff", str(changed))
    assert "network 192.0.2.0/24: announced" in planned.stdout.splitlines()
    assert "reset" not in planned.stdout
    assert one.ctl("diff", str(calico.file(1))).stdout.strip() == "nothing would change"
    objects = calico.directory / "objects.yaml"
    spec = {"asNumber": 64999, "listenPort": calico.port}
    objects.write_text(json.dumps(resource("BGPConfiguration", "default", spec)))
    tried = one.ctl("diff", "--apply", str(objects), "--etcd-endpoints", calico.etcd.members[0].url)
    assert "reset" in tried.stdout
    assert (one.status().asn, one.peer().flaps) == (64512, 0)
    calico.file(1, '[[network]]\nprefix = "192.0.2.0/24"\n')
    reloaded = one.ctl("reload")
    assert reloaded.stdout == planned.stdout
    until(lambda: "192.0.2.0/24" in prefixes(calico.daemons[2]), "the network")
