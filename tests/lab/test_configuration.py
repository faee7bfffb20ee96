"""bgp.toml of the lab's hosts: valid for the daemon, and what the plan says."""

import tomllib
from pathlib import Path

import pytest

from bgpd.config import load
from bgpd.lab import LabOptions, Underlay
from bgpd.lab.configuration import TomlTable, configuration, dump, merge
from bgpd.lab.topology import plan


@pytest.mark.parametrize(
    "options",
    [
        LabOptions(),
        LabOptions(reflectors=2),
        LabOptions(as_per_node=True),
        LabOptions(underlay=Underlay.L3),
        LabOptions(underlay=Underlay.L3, as_per_node=True),
    ],
    ids=["mesh", "reflectors", "as-per-node", "l3", "l3-as-per-node"],
)
def test_the_daemon_accepts_every_hosts_file(options: LabOptions, tmp_path: Path) -> None:
    file = tmp_path / "bgp.toml"
    for host in plan(options).hosts:
        file.write_text(dump(configuration(host, str(tmp_path / "s"), "info")))
        assert len(load(file).peer) == len(host.peers)


def test_what_is_dumped_reads_back_the_same() -> None:
    tables: TomlTable = {
        "node": {"name": 'a "quoted" name', "asn": 64512, "listen": [], "is": True, "rate": 0.5},
        "peer": [{"address": "fe80::1%eth0", "import": ["a", "b"]}, {"idle_hold": {"first": 1, "max": 30}}],
    }
    assert tomllib.loads(dump(tables)) == tables


def test_what_is_no_table_cannot_be_dumped() -> None:
    with pytest.raises(ValueError, match="asn is not a table"):
        dump({"asn": 64512})


def test_an_override_changes_single_keys_of_a_table() -> None:
    base: TomlTable = {"node": {"name": "a", "asn": 1}, "peer": [{"name": "x"}]}
    assert merge(base, {"node": {"asn": 2}, "peer": []}) == {"node": {"name": "a", "asn": 2}, "peer": []}
    assert base["node"] == {"name": "a", "asn": 1}


def test_ebgp_sessions_have_policies_and_ibgp_sessions_have_none() -> None:
    external = configuration(plan(LabOptions(as_per_node=True)).hosts[0], "s", "info")
    internal = configuration(plan(LabOptions()).hosts[0], "s", "info")
    assert "policy" in external
    assert "policy" not in internal
