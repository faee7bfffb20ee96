"""bgpctl node run: a node is registered in etcd and its daemon started; bgpctl version."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bgpd.api.rows import StatusRow
from bgpd.cli.client import Client, Unreachable
from bgpd.cli.local_addresses import AddressError, chosen
from bgpd.config import load, resolve_process
from bgpd.datastore import first_objects
from bgpd.datastore.store import StoreError
from tests.support.daemon import free_port, until
from tests.support.etcd import EtcdCluster
from tests.support.etcd_site import RESOURCES, Site
from tests.support.resources import NODE

INFORMATION = "clusterinformations/default"
LISTING = [
    {"ifname": "docker0", "addr_info": [{"local": "172.17.0.1", "prefixlen": 16}]},
    {"ifname": "eth0", "addr_info": [{"local": "10.11.150.1", "prefixlen": 24}]},
    {"ifname": "eth1", "addr_info": [{"local": "10.12.0.1", "prefixlen": 16}]},
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    made = EtcdCluster(tmp_path_factory.mktemp("etcd"))
    asyncio.run(made.answering())
    yield made
    made.close()


@pytest.fixture
def site(
    cluster: EtcdCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Site:
    cluster.etcdctl("del", "--prefix", "/")
    monkeypatch.setenv("ETCD_ENDPOINTS", cluster.members[0].url)
    return Site(cluster, tmp_path, capsys)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with the addresses of LISTING."""
    program = tmp_path / "bin" / "ip"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(LISTING)}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("wanted", "registered", "expected"),
    [
        ("autodetect", "", "10.11.150.1/24"),
        ("autodetect", "10.9.9.9/24", "10.9.9.9/24"),
        ("10.12.0.1", "10.9.9.9/24", "10.12.0.1/16"),
        ("172.17.0.1", "", "172.17.0.1/16"),
        ("10.12.0.1/20", "", "10.12.0.1/20"),
        ("192.0.2.1/24", "", "192.0.2.1/24"),
        ("192.0.2.1", "", "192.0.2.1/32"),
        ("", "", ""),
        ("", "10.9.9.9/24", "10.9.9.9/24"),
    ],
)
@pytest.mark.usefixtures("host")
def test_the_address_that_a_node_is_registered_with(wanted: str, registered: str, expected: str) -> None:
    assert chosen(wanted, 4, registered) == expected


@pytest.mark.parametrize("wanted", ["x", "fd00::1", "10.0.0.1/33"])
@pytest.mark.usefixtures("host")
def test_what_is_no_address_of_the_family_is_refused(wanted: str) -> None:
    with pytest.raises(AddressError, match="expected an IPv4 address"):
        chosen(wanted, 4, "")


@pytest.mark.etcd
def test_a_node_is_registered_and_its_daemon_started(site: Site, cluster: EtcdCluster) -> None:
    socket = site.directory / "bgpd.sock"
    file = site.directory / "bgp.toml"
    file.write_text(
        f'[node]\nname = "host1"\nlisten = ["127.0.0.1"]\nport = {free_port()}\n'
        f'[etcd]\nendpoints = ["{cluster.members[0].url}"]\n[kernel]\nenabled = false\n'
        f'[http]\nlisten = ""\n[control]\nsocket = "{socket}"\n'
    )
    words = ("node", "run", "--ip", "127.0.0.1/8", "--as", "64600", "--config", str(file))
    out = site.done(*words)
    process = re.search(r"process (\d+)", out)
    assert process is not None
    try:
        assert out.splitlines()[:3] == [
            "Node host1 is registered: 127.0.0.1/8, AS 64600",
            "ClusterInformation default is made, as there was none",
            "IPPool default-ipv4-ippool 192.168.0.0/16 is made, as there was none",
        ]
        assert site.stored(f"{RESOURCES}/nodes/host1")["spec"] == {
            "bgp": {"ipv4Address": "127.0.0.1/8", "asNumber": 64600}
        }
        until(lambda: Client(socket).get("status", StatusRow).asn == 64600, "the AS number of etcd")
        pool, information = (f"{RESOURCES}/{key}" for key in ("ippools/default-ipv4-ippool", INFORMATION))
        former = site.stored(pool), site.stored(information)
        again = site.done(*words)
        assert "runs already" in again
        assert "is made" not in again
        assert (site.stored(pool), site.stored(information)) == former
        assert "Daemon version" in site.done("version", "--socket", str(socket))
    finally:
        os.kill(int(process[1]), signal.SIGTERM)
        until(lambda: _is_silent(socket), "the end of the daemon")


def _is_silent(socket: Path) -> bool:
    try:
        Client(socket).get("status", StatusRow)
    except Unreachable:
        return True
    return False


@pytest.mark.etcd
@pytest.mark.usefixtures("host")
def test_what_a_registered_node_has_stays(site: Site) -> None:
    site.done("create", "-f", site.file(NODE))
    text = site.done("node", "run", "--name", "worker-3", "--dry-run")
    before = site.stored(f"{RESOURCES}/nodes/worker-3")
    file = site.directory / "made.toml"
    file.write_text(text)
    process = resolve_process(load(file))
    assert (process.name, process.etcd and process.etcd.endpoints) == ("worker-3", (os.environ["ETCD_ENDPOINTS"],))
    (site.directory / "broken.toml").write_text(text.split("#")[0] + "[kernel]\nmetric = 1\n[node.x]\n")
    status, _, _ = site.ctl("node", "run", "--config", str(site.directory / "broken.toml"))
    assert status == 3
    assert site.stored(f"{RESOURCES}/nodes/worker-3") == before


@pytest.mark.etcd
def test_two_nodes_do_not_have_one_address(site: Site) -> None:
    site.done("create", "-f", site.file(NODE))
    socket = str(site.directory / "bgpd.sock")
    status, _, err = site.ctl("node", "run", "--name", "other", "--ip", "172.18.4.13/20", "--socket", socket)
    assert (status, "worker-3 has it" in err) == (1, True)
    assert site.listed() == [f"{RESOURCES}/nodes/worker-3"]


def _file_of_a_daemon_that_ends(site: Site, cluster: EtcdCluster) -> str:
    """Return the path of a file with which a daemon ends at once: its address is none of this host's."""
    file = site.directory / "bgp.toml"
    file.write_text(
        f'[node]\nname = "h"\n[etcd]\nendpoints = ["{cluster.members[0].url}"]\n'
        f'[control]\nsocket = "{site.directory}/bgpd.sock"\n'
        '[http]\nlisten = "192.0.2.77:1"\n[kernel]\nenabled = false\n'
    )
    return str(file)


@pytest.mark.etcd
def test_a_daemon_that_ends_at_once_is_told_with_its_words(site: Site, cluster: EtcdCluster) -> None:
    file = _file_of_a_daemon_that_ends(site, cluster)
    status, _, err = site.ctl("node", "run", "--ip", "10.0.0.1/24", "--config", file)
    assert (status, "bgpd ended with status 1" in err, "192.0.2.77" in err) == (1, True, True)


@pytest.mark.etcd
@pytest.mark.parametrize(
    ("words", "environment"), [(("--no-default-ippools",), {}), ((), {"NO_DEFAULT_POOLS": "true"})]
)
def test_no_pool_is_made_if_none_is_wanted(
    site: Site,
    cluster: EtcdCluster,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    environment: dict[str, str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    file = _file_of_a_daemon_that_ends(site, cluster)
    site.ctl("node", "run", "--ip", "10.0.0.1/24", "--config", file, *words)
    assert site.listed() == [f"{RESOURCES}/{INFORMATION}", f"{RESOURCES}/nodes/h"]


@pytest.mark.etcd
def test_a_host_in_the_range_of_the_default_pool_gets_none_and_is_told(site: Site, cluster: EtcdCluster) -> None:
    file = _file_of_a_daemon_that_ends(site, cluster)
    _, _, err = site.ctl("node", "run", "--ip", "192.168.1.5/24", "--config", file)
    assert "no default pool is made: 192.168.0.0/16 has the address of node h, 192.168.1.5" in err
    assert f"{RESOURCES}/ippools/default-ipv4-ippool" not in site.listed()


@pytest.mark.etcd
def test_a_user_that_may_write_nodes_alone_starts_its_daemon_all_the_same(
    site: Site, cluster: EtcdCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> bool:
        raise StoreError("write clusterinformations/default: permission denied", "grant the user the prefix")

    monkeypatch.setattr(first_objects, "make_cluster_information", refuse)
    status, out, err = site.ctl(
        "node", "run", "--ip", "10.0.0.1/24", "--config", _file_of_a_daemon_that_ends(site, cluster)
    )
    assert "Node h is registered" in out
    assert "what a first node makes was left alone: write clusterinformations/default: permission denied" in err
    assert (status, "bgpd ended with status 1" in err) == (1, True)


@pytest.mark.etcd
@pytest.mark.parametrize("words", [("--name", "N_1"), ("--name", "n1", "--as", "x")])
def test_a_wrong_name_or_as_is_refused(site: Site, words: tuple[str, ...]) -> None:
    assert site.ctl("node", "run", "--ip", "10.0.0.1/24", *words, "--socket", "/nonexistent/x")[0] == 3
    assert site.listed() == []


@pytest.mark.etcd
def test_the_version_of_the_cluster_is_told(site: Site) -> None:
    site.put(f"{RESOURCES}/clusterinformations/default", '{"spec":{"calicoVersion":"v3.31.0","clusterType":"k8s,bgp"}}')
    told = json.loads(site.done("version", "-o", "json", "--socket", "/nonexistent/x"))
    assert told["daemon"] == "none is running"
    assert (told["cluster"], told["cluster type"]) == ("v3.31.0", "k8s,bgp")
