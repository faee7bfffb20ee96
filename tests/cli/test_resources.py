"""bgpctl and a real etcd: objects written, read, changed, deleted; what is refused; how etcd is found."""

import asyncio
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bgpd.cli.object_writes import rehearse
from tests.support.etcd import EtcdCluster
from tests.support.etcd_site import RESOURCES, Site
from tests.support.resources import ALL, NODE, PEER, POOL, changed

pytestmark = pytest.mark.etcd

OLD_POOL = """
apiVersion: v1
kind: ipPool
metadata:
  cidr: 10.1.1.0/24
spec:
  ipip: {enabled: false}
  nat-outgoing: true
"""


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


def test_objects_of_all_kinds_are_created_shown_and_deleted(site: Site) -> None:
    file = site.file(*ALL)
    assert site.done("create", "-f", file) == "Successfully created 5 resource(s)\n"
    assert len(site.listed()) == 5
    for document in ALL:
        assert isinstance(document["metadata"], dict)
        name = str(document["metadata"]["name"])
        shown = json.loads(site.done("get", str(document["kind"]).upper(), name, "-o", "json"))
        assert (
            shown["spec"].items() >= document["spec"].items() if document is POOL else shown["spec"] == document["spec"]
        )
        assert shown["metadata"]["uid"]
        assert shown["metadata"]["resourceVersion"].isdigit()
        assert "resourceVersion" not in site.stored(f"{RESOURCES}/{_plural(document)}/{name}")["metadata"]  # type: ignore[operator]
    assert site.done("delete", "-f", file) == "Successfully deleted 5 resource(s)\n"
    assert site.listed() == []


def _plural(document: object) -> str:
    assert isinstance(document, dict)
    return f"{document['kind'].lower()}s"


def test_the_pool_of_the_walk_through(site: Site) -> None:
    assert site.done("create", "-f", site.file(OLD_POOL)) == "Successfully created 1 'IPPool' resource(s)\n"
    assert site.done("get", "ipPool").splitlines() == [
        "NAME         CIDR         SELECTOR",
        "10-1-1-0-24  10.1.1.0/24  all()",
    ]
    wide = site.done("get", "ippools", "-o", "wide")
    assert wide.split() == [
        "NAME", "CIDR", "NAT", "IPIPMODE", "VXLANMODE", "DISABLED", "DISABLEBGPEXPORT", "SELECTOR",
        "10-1-1-0-24", "10.1.1.0/24", "true", "Never", "Never", "false", "false", "all()",
    ]  # fmt: skip
    site.done("apply", "-f", site.file(OLD_POOL.replace("enabled: false", "enabled: true")))
    assert yaml.safe_load(site.done("get", "ippool", "10.1.1.0/24", "-o", "yaml"))["spec"]["ipipMode"] == "Always"
    site.done("delete", "-f", site.file(OLD_POOL))
    assert site.listed() == []


def test_what_is_shown_can_be_written_back(site: Site) -> None:
    site.done("create", "-f", site.file(*ALL))
    site.put(f"{RESOURCES}/nodes/worker-3", json.dumps({**site.stored(f"{RESOURCES}/nodes/worker-3"), "new": {"a": 1}}))
    before = {key: site.stored(key) for key in site.listed()}
    for kind in ("node", "bgppeer", "bgpconfig", "bgpfilter", "ippool"):
        for verb in ("apply", "replace"):
            file = site.file(site.done("get", kind, "-o", "yaml"))
            site.done(verb, "-f", file)
    assert {key: site.stored(key) for key in site.listed()} == before


def test_a_file_made_from_an_older_revision_changes_nothing(site: Site) -> None:
    site.done("create", "-f", site.file(PEER))
    shown = yaml.safe_load(site.done("get", "bgppeer", "tor-r2", "-o", "yaml"))
    site.done("apply", "-f", site.file(changed(PEER, {"spec.asNumber": 65021})))
    for verb in ("apply", "replace", "delete"):
        status, _, err = site.ctl(verb, "-f", site.file(shown))
        assert status == 1
        assert "metadata.resourceVersion: expected" in err
    assert site.stored(f"{RESOURCES}/bgppeers/tor-r2")["spec"]["asNumber"] == 65021  # type: ignore[index]


def test_verbs_ask_for_what_there_is(site: Site) -> None:
    file = site.file(NODE)
    assert site.ctl("replace", "-f", file)[0] == 1
    assert site.ctl("delete", "-f", file)[0] == 1
    assert site.ctl("delete", "node", "worker-3", "--skip-not-exists")[0] == 0
    site.done("apply", "-f", file)
    status, _, err = site.ctl("create", "-f", file)
    assert (status, "there is one already" in err) == (1, True)
    assert site.ctl("create", "-f", file, "--skip-exists")[0] == 0
    site.done("replace", "-f", file)
    site.done("delete", "nodes", "worker-3")
    assert site.listed() == []


def test_nothing_is_written_when_one_document_is_wrong(site: Site) -> None:
    file = site.file(NODE, changed(POOL, {"spec.blockSize": 19}), changed(PEER, {"spec.peerIPs": "x"}))
    status, _, err = site.ctl("create", "-f", file)
    assert status == 1
    lines = err.splitlines()
    assert "IPPool pods-v4: spec.blockSize: expected 20 to 32 for IPv4, found 19" in lines[0]
    assert "BGPPeer tor-r2: spec.peerIPs: no such field; did you mean peerIP?" in lines[1]
    assert all(line.startswith(f"bgpctl: {file}:") for line in lines)
    assert site.listed() == []


def test_pools_do_not_overlap(site: Site) -> None:
    site.done("create", "-f", site.file(POOL))
    other = changed(POOL, {"metadata.name": "other", "spec.cidr": "10.65.128.0/17"})
    status, _, err = site.ctl("apply", "-f", site.file(other))
    assert status == 1
    assert "spec.cidr: expected a range that no other pool has, found 10.65.128.0/17: pods-v4 has 10.65.0.0/16" in err


def test_nor_do_pools_of_one_file_and_then_none_is_written(site: Site) -> None:
    other = changed(POOL, {"metadata.name": "other", "spec.cidr": "10.65.128.0/17"})
    status, _, err = site.ctl("create", "-f", site.file(NODE, POOL, other))
    assert (status, "pods-v4 has 10.65.0.0/16" in err) == (1, True)
    assert site.listed() == []


def test_a_field_of_a_newer_version_can_be_stored_when_one_insists(site: Site) -> None:
    file = site.file(changed(POOL, {"spec.newField": 1}))
    assert site.ctl("apply", "-f", file)[0] == 1
    status, _, err = site.ctl("apply", "-f", file, "--allow-unknown")
    assert (status, "spec.newField: stored as it is" in err) == (0, True)
    site.done("apply", "-f", site.file(POOL))
    assert site.stored(f"{RESOURCES}/ippools/pods-v4")["spec"]["newField"] == 1  # type: ignore[index]


def test_a_new_pool_has_the_block_size_of_the_blocks_in_it(site: Site) -> None:
    site.put("/calico/ipam/v2/assignment/ipv4/block/10.65.3.0-28", "{}")
    status, _, err = site.ctl("create", "-f", site.file(POOL))
    assert (status, "spec.blockSize: expected 28" in err) == (1, True)
    site.done("create", "-f", site.file(changed(POOL, {"spec.blockSize": 28})))


def test_documents_come_by_standard_input_and_from_a_directory(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(POOL)))
    site.done("create", "-f", "-")
    (site.directory / "many").mkdir()
    for number in range(2):
        path = site.directory / "many" / f"{number}.json"
        path.write_text(json.dumps(changed(NODE, {"metadata.name": f"n{number}"})))
    assert site.done("create", "-f", str(site.directory / "many")) == "Successfully created 2 'Node' resource(s)\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "x.yaml:1: not YAML"),
        ("kind: IPPool\nkind: Node", "x.yaml:2: kind stands there twice"),
        ("", "expected an object, found none"),
        ("kind: IPPool\napiVersion: v2", "apiVersion: expected projectcalico.org/v3"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(site: Site, text: str, expected: str) -> None:
    status, _, err = site.ctl("apply", "-f", site.file(text))
    assert (status, expected in err) == (1, True), err


def test_a_file_that_is_not_there_is_named(site: Site) -> None:
    assert site.ctl("apply", "-f", "/nonexistent.yaml")[::2] == (
        1,
        "bgpctl: /nonexistent.yaml: No such file or directory\n",
    )


def test_a_stored_value_that_is_no_json_is_told_and_left_alone(site: Site) -> None:
    site.done("create", "-f", site.file(NODE))
    site.put(f"{RESOURCES}/nodes/broken", "{secret")
    status, out, err = site.ctl("get", "nodes")
    assert (status, out.split()) == (1, ["NAME", "worker-3"])
    assert "Node broken: what is stored (7 octets) is no JSON object" in err
    assert "secret" not in err
    assert site.ctl("apply", "-f", site.file(changed(NODE, {"metadata.name": "broken"})))[0] == 1


def test_what_is_not_there_is_an_error_of_get(site: Site) -> None:
    assert site.ctl("get", "node", "x")[::2] == (1, "bgpctl: Node x: there is none\n")
    assert site.ctl("get", "-f", site.file(NODE))[0] == 1


@pytest.mark.parametrize(
    "words", [("get",), ("get", "profile"), ("get", "node", "-f", "x"), ("delete", "node"), ("apply",)]
)
def test_a_wrong_command_line_has_status_three(site: Site, words: tuple[str, ...]) -> None:
    assert site.ctl(*words)[0] == 3


def test_settings_of_the_cluster(site: Site) -> None:
    assert [site.done("config", "get", name) for name in ("asNumber", "nodeToNodeMesh", "logLevel")] == [
        "64512\n", "on\n", "info\n",
    ]  # fmt: skip
    site.put(
        f"{RESOURCES}/bgpconfigurations/default", '{"metadata":{"name":"default"},"spec":{"listenPort":1179},"x":1}'
    )
    site.done("config", "set", "asNumber", "64999")
    site.done("config", "set", "nodeToNodeMesh", "off")
    site.done("config", "set", "logLevel", "debug", "--node", "n1")
    default = site.stored(f"{RESOURCES}/bgpconfigurations/default")
    assert default["spec"] == {"listenPort": 1179, "asNumber": 64999, "nodeToNodeMeshEnabled": False}
    assert default["x"] == 1
    assert site.done("config", "get", "logLevel", "--node", "n1") == "debug\n"
    assert site.done("config", "get", "logLevel") == "info\n"
    site.done("config", "unset", "asNumber")
    assert site.done("config", "get", "asnumber") == "64512\n"
    assert site.ctl("config", "set", "asNumber", "0")[0] == 3
    assert site.ctl("config", "set", "asNumber", "1", "--node", "n1")[0] == 3


def test_use_of_pools_and_blocks(site: Site) -> None:
    site.done("create", "-f", site.file(POOL))
    site.put("/calico/ipam/v2/host/worker-3/ipv4/block/10.65.3.64-26", '{"state":"confirmed"}')
    contents = {"allocations": [0, None], "attributes": [{"handle_id": "h1", "secondary": {"node": "worker-3"}}]}
    site.put("/calico/ipam/v2/assignment/ipv4/block/10.65.3.64-26", json.dumps(contents))
    rows = json.loads(site.done("ipam", "show", "-o", "json"))
    assert [(row["grouping"], row["cidr"], row["node"], row["state"], row["in_use"]) for row in rows] == [
        ("IP pool", "10.65.0.0/16", "", "", 1),
        ("block", "10.65.3.64/26", "worker-3", "confirmed", 1),
    ]
    assert "10.65.3.64/26" in site.done("ipam", "show")
    assert "node: worker-3" in site.done("ipam", "show", "--ip", "10.65.3.64")
    assert site.ctl("ipam", "show", "--ip", "10.65.3.65")[:2] == (1, "IP 10.65.3.65 is not in use\n")


def test_etcd_that_does_not_answer_has_status_two(site: Site) -> None:
    status, _, err = site.ctl("get", "node", "--etcd-endpoints", "http://127.0.0.1:1")
    assert (status, "connection refused" in err) == (2, True)


def test_etcd_is_found_by_a_configuration_file(
    site: Site, cluster: EtcdCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETCD_ENDPOINTS", "http://127.0.0.1:1")
    file = site.directory / "bgp.toml"
    file.write_text(f'[etcd]\nendpoints = ["{cluster.members[0].url}"]\nprefix = "/other"\n')
    site.done("create", "-f", site.file(NODE), "--config", str(file))
    assert site.listed() == ["/other/resources/v3/projectcalico.org/nodes/worker-3"]


HOST = "/calico/ipam/v2/host"
BLOCKS = "/calico/ipam/v2/assignment/ipv4/block"


def _put_block(site: Site, node: str, block: str, *, used: bool) -> None:
    site.put(f"{HOST}/{node}/ipv4/block/{block}", '{"state":"confirmed"}')
    contents = {"affinity": f"host:{node}", "allocations": [0 if used else None], "deleted": False}
    site.put(f"{BLOCKS}/{block}", json.dumps(contents))


def test_the_blocks_of_a_pool_go_with_it(site: Site) -> None:
    site.done("create", "-f", site.file(POOL))
    _put_block(site, "n1", "10.65.1.0-26", used=False)
    _put_block(site, "n2", "10.65.2.0-26", used=True)
    _put_block(site, "n1", "10.66.0.0-26", used=True)
    site.done("delete", "ippool", "pods-v4")
    assert site.listed() == [
        f"{BLOCKS}/10.65.2.0-26",
        f"{BLOCKS}/10.66.0.0-26",
        f"{HOST}/n1/ipv4/block/10.66.0.0-26",
    ]
    assert site.stored(f"{BLOCKS}/10.65.2.0-26") == {"affinity": None, "allocations": [0], "deleted": False}


def test_with_a_node_go_its_blocks_its_settings_and_its_peers(site: Site) -> None:
    own = changed(PEER, {"metadata.name": "own", "spec.node": "worker-3", "spec.nodeSelector": None})
    file = site.file(NODE, own, PEER)
    site.done("create", "-f", file)
    site.done("config", "set", "logLevel", "debug", "--node", "worker-3")
    _put_block(site, "worker-3", "10.65.1.0-26", used=False)
    _put_block(site, "worker-33", "10.65.2.0-26", used=False)
    assert site.done("delete", "-f", site.file(NODE, own)) == "Successfully deleted 2 resource(s)\n"
    assert site.listed() == [
        f"{BLOCKS}/10.65.2.0-26",
        f"{HOST}/worker-33/ipv4/block/10.65.2.0-26",
        f"{RESOURCES}/bgppeers/tor-r2",
    ]


def test_a_rehearsal_deletes_a_node_and_its_own_peer_from_one_file(site: Site) -> None:
    peer = changed(PEER, {"spec.node": "worker-3", "spec.nodeSelector": None})
    file = site.file(NODE, peer)
    site.done("create", "-f", file)
    keys = {f"{RESOURCES}/nodes/worker-3": None, f"{RESOURCES}/bgppeers/tor-r2": None}
    assert rehearse([], [file], "", None) == keys
    assert sorted(site.listed()) == sorted(keys)


def test_a_block_that_another_node_has_taken_stays_its(site: Site) -> None:
    site.done("create", "-f", site.file(NODE))
    _put_block(site, "other", "10.65.1.0-26", used=False)
    site.put(f"{HOST}/worker-3/ipv4/block/10.65.1.0-26", "")
    site.done("delete", "node", "worker-3")
    assert site.listed() == [f"{BLOCKS}/10.65.1.0-26", f"{HOST}/other/ipv4/block/10.65.1.0-26"]
