"""bgpctl against the real server with fixed answers: what is printed, and the exit status."""

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from msgspec import structs

from bgpd.api.server import Server
from bgpd.api.sockets import FULL_MODE, READ_ONLY_MODE, bind_unix
from bgpd.cli.ctl import SOCKET_VARIABLE, main
from tests.support.operations import UP, Answers


class Site:
    """A server in a thread, and bgpctl."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self.answers = Answers()
        self._capsys = capsys
        self._loop = asyncio.new_event_loop()
        self._server = Server(self.answers)
        self._server.begin(self.answers)
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._run(self._server.serve(bind_unix(path, FULL_MODE), is_full=True))
        self._run(self._server.serve(bind_unix(path.with_name(path.name + ".ro"), READ_ONLY_MODE), is_full=False))

    def ctl(self, *words: str) -> tuple[int, str, str]:
        """Return exit status, output and errors of bgpctl."""
        with pytest.raises(SystemExit) as ended:
            main(words)
        printed = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    def close(self) -> None:
        self._run(self._server.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine: object) -> None:
        assert asyncio.iscoroutine(coroutine)
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    made = Site(tmp_path / "a.sock", capsys)
    monkeypatch.setenv(SOCKET_VARIABLE, str(made.path))
    yield made
    made.close()


@pytest.mark.parametrize("words", [("status",), ("peers",), ("node", "status"), ("peer", "fe80::1%eth0"), ("fib",)])
def test_something_degraded_is_status_1(site: Site, words: tuple[str, ...]) -> None:
    assert site.ctl(*words)[0] == 1


@pytest.mark.parametrize("words", [("status",), ("peers",), ("node", "status"), ("peer", "tor-r2")])
def test_all_expected_peers_up_is_status_0(site: Site, words: tuple[str, ...]) -> None:
    site.answers.peer_rows = [UP]
    assert site.ctl(*words)[0] == 0


def test_no_daemon_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["peers", "--socket", str(tmp_path / "none")])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"bgpctl: no bgpd answers on {tmp_path}/none: No such file or directory\n"


@pytest.mark.parametrize(
    "words",
    [
        ("peerz",),
        ("peers", "-o", "xml"),
        ("peer",),
        ("peer", "nobody"),
        ("routes", "in"),
        ("routes", "10.65.0.0/16", "10.66.0.0/16"),
        ("routes", "10.65.0.1/16"),
        ("routes", "--longer"),
        ("routes", "--limit", "-1"),
        ("explain", "nonsense"),
        ("log-level", "loud"),
    ],
)
def test_a_wrong_command_line_is_status_3(site: Site, words: tuple[str, ...]) -> None:
    status, _, errors = site.ctl(*words)
    assert status == 3
    assert errors
    assert "Traceback" not in errors


def test_the_peers_table_has_the_columns_of_the_design(site: Site) -> None:
    heading, first, second = site.ctl("peers")[1].splitlines()
    assert heading.split() == ["PEER", "NODE", "TYPE", "AS", "STATE", "SINCE", "RCVD", "ACC", "SENT", "LAST-ERROR"]
    assert first.split()[:5] == ["tor-r2", "tor", "ebgp", "65020", "Established"]
    assert second.endswith("Socket: Connection refused")


def test_wide_has_more_columns(site: Site) -> None:
    assert "ADDRESS" not in site.ctl("peers")[1]
    assert "ADDRESS" in site.ctl("peers", "-o", "wide")[1]


def test_json_and_yaml_say_the_same(site: Site) -> None:
    for words in (("peers",), ("status",), ("routes",), ("fib",), ("explain", "10.65.0.0/16"), ("peer", "tor-r2")):
        from_json = json.loads(site.ctl(*words, "-o", "json")[1])
        assert yaml.safe_load(site.ctl(*words, "-o", "yaml")[1]) == from_json


def test_an_empty_list_is_an_empty_list(site: Site) -> None:
    site.answers.prefixes = 0
    assert site.ctl("routes", "-o", "json")[1] == "[]\n"
    assert site.ctl("routes", "-o", "yaml")[1] == "[]\n"


def test_a_table_ends_at_its_limit_and_says_so(site: Site) -> None:
    site.answers.prefixes = 2500
    status, out, errors = site.ctl("routes")
    assert (status, len(out.splitlines())) == (0, 1 + 1000)
    assert errors == "bgpctl: there are more rows; --limit 0 shows all\n"


def test_all_rows_come_when_asked_for(site: Site) -> None:
    site.answers.prefixes = 2500
    assert len(json.loads(site.ctl("routes", "-o", "json")[1])) == 2500
    headings = [line for line in site.ctl("routes", "--limit", "0")[1].splitlines() if "PREFIX" in line]
    assert len(headings) == 3  # a page of 1,000 rows each


def test_node_status_prints_the_table_of_calicoctl(site: Site) -> None:
    out = site.ctl("node", "status")[1].splitlines()
    assert out[0] == "Calico process is running."
    assert out[2] == "IPv4 BGP status"
    assert [cell.strip() for cell in out[4].strip("|").split("|")] == [
        "PEER ADDRESS", "PEER TYPE", "STATE", "SINCE", "INFO",
    ]  # fmt: skip
    assert [cell.strip() for cell in out[6].strip("|").split("|")][:3] == ["172.18.0.1", "node specific", "up"]
    ipv6 = out[out.index("IPv6 BGP status") + 4]
    assert [cell.strip() for cell in ipv6.strip("|").split("|")] == [
        "fe80::1", "node specific", "start", "2025-10-09", "Connect Socket: Connection refused",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Mesh_172_18_0_1", "node-to-node mesh"),
        ("Global_172_18_0_1_port_1179", "global"),
        ("Node_172_18_0_1", "node specific"),
        ("Meshed", "node specific"),
    ],
)
def test_node_status_says_why_there_is_a_session(site: Site, name: str, kind: str) -> None:
    site.answers.peer_rows = [structs.replace(UP, name=name)]
    row = site.ctl("node", "status")[1].splitlines()[6]
    assert row.split("|")[2].strip() == kind


def test_a_kernel_error_is_shown_with_its_route(site: Site) -> None:
    line = site.ctl("fib")[1].splitlines()[2]
    assert line.split() == [
        "10.65.8.0/26",
        "via",
        "172.18.4.21",
        "dev",
        "tunl0",
        "onlink",
        "-",
        "failed",
        "File",
        "exists",
    ]


def test_text_in_brackets_is_no_markup(site: Site) -> None:
    site.answers.peer_rows = [UP]
    assert "[kernel]" in site.ctl("explain", "10.65.0.0/16")[1]


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("reload",), "reload"),
        (("drain",), "drain"),
        (("drain", "tor-r2", "--wait", "0"), "drain tor-r2"),
        (("undrain",), "undrain"),
        (("undrain", "tor-r2"), "undrain tor-r2"),
        (("reset", "tor-r2"), "reset tor-r2"),
        (("reset", "tor-r2", "--hard"), "hard-reset tor-r2"),
        (("enable", "fe80::1%eth0"), "enable fe80::1%eth0"),
        (("disable", "tor-r2"), "disable tor-r2"),
        (("log-level", "debug"), "log-level debug"),
    ],
)
def test_commands_arrive(site: Site, words: tuple[str, ...], command: str) -> None:
    assert site.ctl(*words)[0] == 0
    assert site.answers.commands == [command]


def test_without_the_full_socket_the_read_only_one_is_asked(site: Site) -> None:
    os.unlink(site.path)
    assert site.ctl("routes")[0] == 0
    status, _, errors = site.ctl("reload")
    assert status == 1
    assert "this socket only shows" in errors
    assert site.answers.commands == []


def test_the_socket_may_stand_before_or_behind_the_command(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SOCKET_VARIABLE, "/nowhere")
    assert site.ctl("routes")[0] == 2
    assert site.ctl("routes", "--socket", str(site.path))[0] == 0
    assert site.ctl("--socket", str(site.path), "routes")[0] == 0


def test_a_policy_test_asks_the_daemon_and_shows_rule_and_attributes(site: Site) -> None:
    words = ("--prefix", "10.65.3.0/26", "--peer", "tor-r2", "--export", "--community", "1:1", "--community", "rt:1:1")
    status, out, _ = site.ctl("policy", "test", "only-pods", *words)
    assert status == 0
    assert "accepted by only-pods rule 1" in out
    assert ["MED", "-", "5"] in [line.split() for line in out.splitlines()]
    query = site.answers.queries[-1]
    assert (query.policy, query.peer, query.is_export) == ("only-pods", "tor-r2", True)
    assert query.route is not None
    assert (len(query.route.communities.plain), len(query.route.communities.extended)) == (1, 1)
    status, out, _ = site.ctl("policy", "test", "only-pods", "--prefix", "10.65.3.0/26", "-o", "json")
    assert json.loads(out)["rule"] == "only-pods rule 1"


def test_the_policies_of_a_file_are_tested_without_a_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bgp.toml"
    file.write_text(
        '[node]\nasn = 64512\nrouter_id = "1.1.1.1"\n[[policy]]\nname = "none"\nrules = [{ action = "reject" }]\n'
    )
    for words, status, text in (
        (("none", "--prefix", "10.0.0.0/8"), 0, "rejected by none rule 1"),
        (("non", "--prefix", "10.0.0.0/8"), 3, "hint: did you mean none?"),
        (("none", "--prefix", "10.0.0.1/8"), 3, "host bits"),
        (("none",), 3, "no prefix to test with"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(("policy", "test", *words, "--config", str(file)))
        printed = capsys.readouterr()
        assert ended.value.code == status
        assert text in printed.out + printed.err


def test_check_needs_no_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.toml").write_text("[nod]\n")
    with pytest.raises(SystemExit) as ended:
        main(["check", str(tmp_path / "bad.toml")])
    assert ended.value.code == 1
    assert "nod" in capsys.readouterr().err


def test_the_cluster_shows_nodes_and_what_is_not_up_from_both_ends(site: Site) -> None:
    status, printed, _ = site.ctl("cluster")
    assert status == 1
    lines = [line.split() for line in printed.splitlines()]
    assert lines[0] == ["NODE", "STATE", "VERSION", "AS", "SINCE", "SESSIONS", "ROUTES"]
    assert lines[2][:2] == ["worker-2", "dead"]
    assert ["worker-1", "Active", "worker-2", "-", "dead", "Refused"] in lines
    assert "1 sessions are up" in printed
    assert "172.18.0.1" not in printed
    assert "172.18.0.1" in site.ctl("cluster", "--all")[1]
    assert len(json.loads(site.ctl("cluster", "-o", "json")[1])["sessions"]) == 2


def test_a_changed_file_is_sent_to_the_daemon_and_the_difference_shown(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "new.toml"
    file.write_text("[node]\n")
    assert site.ctl("diff", str(file)) == (0, "peer tor-r2: reset, as asn changed\n", "")
    file.write_text("nonsense")
    status, _, errors = site.ctl("diff", str(file))
    assert status == 1
    assert f"{file}: nonsense: unknown key" in errors
    assert site.ctl("diff", str(tmp_path / "none"))[0] == 3
    site.path.unlink()  # only the read-only socket is left
    assert "only shows" in site.ctl("diff", str(file))[2]
