"""bgpd and bgpctl as processes: two daemons that peer, their start, reload and end, and what they cannot do."""

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from bgpd.api.sockets import bind_unix
from tests.support.daemon import PATIENCE, Daemon, configuration, free_port, until


class Pair:
    """Two daemons that peer with each other."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.directory = directory
        self.configs = [directory / "n1.toml", directory / "n2.toml"]
        for number, path in enumerate(self.configs, 1):
            path.write_text(configuration(number, directory, self.port))
        self.one, self.two = (
            Daemon(path, directory / f"n{number}.sock") for number, path in enumerate(self.configs, 1)
        )

    def wait_up(self) -> None:
        """Wait until each has the other's route."""
        for daemon in (self.one, self.two):
            until(daemon.answers, "the API")
            until(partial(_has_both_routes, daemon), "both routes")


def _has_both_routes(daemon: Daemon) -> bool:
    return daemon.status().state == "ok" and len(daemon.routes()) == 2


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    made.one.close()
    made.two.close()


def test_two_daemons_peer_and_bgpctl_shows_it(pair: Pair) -> None:
    pair.wait_up()
    peers = pair.one.ctl("peers")
    assert peers.returncode == 0
    heading, line = peers.stdout.splitlines()
    assert heading.split() == ["PEER", "NODE", "TYPE", "AS", "STATE", "SINCE", "RCVD", "ACC", "SENT", "LAST-ERROR"]
    assert line.split()[:5] == ["n2", "n2", "ibgp", "64512", "Established"]
    assert line.split()[6:] == ["1", "1", "1", "-"]
    (received,) = pair.one.routes("peers/n2/routes/in")
    assert (received.prefix, received.next_hop, received.is_best) == ("10.65.2.0/24", "192.0.2.2", True)
    (sent,) = pair.one.routes("peers/n2/routes/out")
    assert (sent.prefix, sent.next_hop, sent.local_pref) == ("10.65.1.0/24", "192.0.2.1", 100)
    assert [row.prefix for row in pair.one.routes(prefix="10.65.2.77")] == ["10.65.2.0/24"]
    assert [row.prefix for row in pair.one.routes(prefix="10.65.0.0/16", longer="true")] == [
        "10.65.1.0/24",
        "10.65.2.0/24",
    ]
    assert [row.prefix for row in pair.one.routes(peer="n2")] == ["10.65.2.0/24"]
    assert pair.one.routes(family="ipv6-unicast") == []
    found = json.loads(pair.one.ctl("explain", "10.65.2.0/24", "-o", "json").stdout)
    assert [(c["verdict"], c["why"]) for c in found["candidates"]] == [("best", "only path")]
    assert [(e["peer"], e["is_sent"]) for e in found["exports"]] == [("n2", False)]
    assert pair.one.ctl("fib", "-o", "json").stdout == "[]\n"
    assert "| 127.0.0.2    | node specific | up    |" in pair.one.ctl("node", "status").stdout


def test_a_rejected_route_is_shown_with_the_reason(pair: Pair) -> None:
    pair.wait_up()
    policy = '[[policy]]\nname = "nothing"\nrules = []\ndefault = "reject"\n'
    text = configuration(1, pair.directory, pair.port, peer='import = ["nothing"]', extra=policy)
    pair.configs[0].write_text(text)
    reloaded = pair.one.ctl("reload")
    assert (reloaded.returncode, reloaded.stderr) == (0, "")
    until(lambda: len(pair.one.routes()) == 1, "the route's end")
    (row,) = pair.one.routes("peers/n2/routes/in")
    assert row.rejected == "import policy: nothing default"
    assert (pair.one.peer().row.received, pair.one.peer().row.accepted, pair.one.peer().flaps) == (1, 0, 0)
    found = json.loads(pair.one.ctl("explain", "10.65.2.0/24", "-o", "json").stdout)
    assert [(c["verdict"], c["why"]) for c in found["candidates"]] == [("rejected", "import policy: nothing default")]


def test_a_peer_that_goes_makes_the_other_degraded_and_says_why(pair: Pair) -> None:
    pair.wait_up()
    status, _ = pair.two.end()
    assert status == 0
    until(lambda: pair.one.status().state == "degraded", "degraded")
    assert pair.one.ctl("status").returncode == 1
    assert pair.one.peer().row.last_error
    assert not (pair.directory / "n2.sock").exists()
    assert not (pair.directory / "n2.sock.ro").exists()


def test_an_operator_steers_a_peer(pair: Pair) -> None:
    pair.wait_up()
    assert pair.one.ctl("disable", "n2").returncode == 0
    assert (pair.one.peer().row.state, pair.one.peer().row.is_expected) == ("Idle", False)
    assert pair.one.ctl("status").returncode == 0  # nothing that should be up is down
    assert pair.one.ctl("reset", "n2").returncode == 1
    assert pair.one.ctl("enable", "n2").returncode == 0
    pair.wait_up()
    flaps = pair.two.peer().flaps
    assert pair.one.ctl("reset", "n2").returncode == 0
    pair.wait_up()
    assert pair.two.peer().flaps == flaps + 1
    assert "Administrative Reset" in pair.two.peer().row.last_error


def test_a_reload_touches_only_what_changed(pair: Pair) -> None:
    pair.wait_up()
    more = '[[network]]\nprefix = "10.65.77.0/24"\n'
    pair.configs[0].write_text(configuration(1, pair.directory, pair.port, extra=more))
    reloaded = pair.one.ctl("reload")
    assert reloaded.returncode == 0
    assert reloaded.stdout.strip() == "network 10.65.77.0/24: announced"
    until(lambda: len(pair.two.routes("peers/n1/routes/in")) == 2, "the new network")
    pair.configs[0].write_text(configuration(1, pair.directory, pair.port))
    pair.one.process.send_signal(signal.SIGHUP)
    until(lambda: len(pair.two.routes("peers/n1/routes/in")) == 1, "the network's end")
    pair.configs[0].write_text(configuration(1, pair.directory, pair.port) + "\n[nonsense]\n")
    refused = pair.one.ctl("reload")
    assert refused.returncode == 1
    assert "nonsense" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert pair.one.peer().flaps == 0


def test_drain_closes_the_sessions(pair: Pair) -> None:
    pair.wait_up()
    assert pair.one.ctl("log-level", "debug").stdout.strip() == "log level debug, was info"
    assert pair.one.ctl("drain").returncode == 0
    until(lambda: not pair.two.peer().row.is_up, "the other side's notice")
    assert pair.one.status().state == "draining"


def test_a_drain_outlives_the_daemon_until_it_is_taken_back(pair: Pair) -> None:
    pair.wait_up()
    assert pair.one.ctl("drain", "--wait", "0").returncode == 0
    pair.one.end(signal.SIGKILL)
    pair.one = Daemon(pair.configs[0], pair.directory / "n1.sock")
    until(pair.one.answers, "the API")
    assert pair.one.status().state == "draining"
    assert (pair.one.peer().row.state, pair.two.peer().row.is_up) == ("Idle", False)
    assert pair.one.ctl("undrain").returncode == 0
    pair.wait_up()
    pair.one.end()
    pair.one = Daemon(pair.configs[0], pair.directory / "n1.sock")
    pair.wait_up()


def run(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bgpd", "--config", str(config), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)


@pytest.mark.parametrize("arguments", [(), ("--check",)])
def test_three_faults_are_three_errors_with_key_paths(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    config = tmp_path / "bgp.toml"
    config.write_text('[node]\nasn = 0\naddresses = ["192.0.2.1/24"]\nport = "x"\n[session]\nhold_tim = 3\n')
    ended = run(config, *arguments)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    lines = ended.stderr.splitlines()
    assert len(lines) == 3
    for key in ("node.asn", "node.port", "session.hold_tim"):
        assert any(f"{config}:" in line and key in line for line in lines)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    ended = run(tmp_path / "none.toml")
    assert ended.returncode == 2
    assert ended.stderr.startswith("bgpd: ")
    assert "Traceback" not in ended.stderr


def test_check_says_what_a_good_file_means(tmp_path: Path) -> None:
    config = tmp_path / "bgp.toml"
    config.write_text(configuration(1, tmp_path, 1790))
    ended = run(config, "--check")
    assert ended.returncode == 0
    assert ended.stdout == f"{config}: good: node n1, AS 64512, 1 peers, 1 networks\n"


def test_a_port_in_use_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    config = tmp_path / "bgp.toml"
    with socket.socket(socket.AF_INET) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        config.write_text(configuration(1, tmp_path, port))
        ended = run(config)
    assert ended.returncode == 1
    assert f"bgpd: cannot listen on 127.0.0.1 port {port}: " in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "n1.sock").exists()


def test_a_control_socket_in_use_is_an_error(tmp_path: Path) -> None:
    config = tmp_path / "bgp.toml"
    config.write_text(configuration(1, tmp_path, free_port()))
    with bind_unix(tmp_path / "n1.sock", 0o660):
        ended = run(config)
    assert ended.returncode == 1
    assert "in use by a running bgpd" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (tmp_path / "n1.sock").exists()


def test_a_missing_directory_of_the_control_socket_is_an_error(tmp_path: Path) -> None:
    config = tmp_path / "bgp.toml"
    config.write_text(configuration(1, tmp_path / "none", free_port()))
    ended = run(config)
    assert ended.returncode == 1
    assert "create the directory" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_http_port_in_use_is_an_error(tmp_path: Path) -> None:
    config = tmp_path / "bgp.toml"
    with socket.socket(socket.AF_INET) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        text = configuration(1, tmp_path, free_port()).replace('listen = ""', f'listen = "{address}"')
        config.write_text(text)
        ended = run(config)
    assert ended.returncode == 1
    assert "HTTP on 127.0.0.1" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("library", ["aiohttp", "prometheus_client"])
def test_a_missing_library_of_the_api_is_an_error_at_the_start(tmp_path: Path, library: str) -> None:
    config = tmp_path / "bgp.toml"
    config.write_text(configuration(1, tmp_path, free_port()))
    code = f"import sys; sys.modules[{library!r}] = None; from bgpd.cli.main import main; main()"
    command = [sys.executable, "-c", code, "--config", str(config)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert ended.returncode == 1
    assert f"bgpd: the API needs the Python package {library}\n" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_service_manager_hears_of_start_and_stop(tmp_path: Path) -> None:
    config = tmp_path / "bgp.toml"
    config.write_text(configuration(2, tmp_path, free_port()))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
        daemon = Daemon(config, tmp_path / "n2.sock", environment=environment)
        try:
            heard = [manager.recv(1000).decode() for _ in range(3)]
            status, _ = daemon.end()
        finally:
            daemon.close()
        assert status == 0
        assert sorted(heard) == [
            "READY=1\nSTATUS=0 of 1 expected peers are established\n",
            "WATCHDOG=1\n",
            "WATCHDOG=1\n",
        ]
        manager.setblocking(False)
        while (last := manager.recv(1000)) == b"WATCHDOG=1\n":
            pass
        assert last == b"STOPPING=1\n"


def test_the_log_is_json_lines_that_name_peer_and_reason(tmp_path: Path) -> None:
    config = tmp_path / "bgp.toml"
    config.write_text(configuration(1, tmp_path, free_port()))
    daemon = Daemon(config, tmp_path / "n1.sock")
    try:
        until(daemon.answers, "the API")
        until(lambda: "refused" in daemon.peer().row.last_error, "the peer's refusal")
        _, logged = daemon.end()
    finally:
        daemon.close()
    lines = [json.loads(line) for line in logged.splitlines()]
    assert any(line.get("peer") == "n2" and line.get("reason") == "Socket: Connection refused" for line in lines)


def test_metrics_and_probes_answer_on_loopback_and_do_nothing(tmp_path: Path) -> None:
    config, port = tmp_path / "bgp.toml", free_port()
    config.write_text(configuration(2, tmp_path, free_port()).replace('listen = ""', f'listen = "127.0.0.1:{port}"'))
    daemon = Daemon(config, tmp_path / "n2.sock")
    try:
        until(daemon.answers, "the API")
        assert get(port, "/healthz")[0] == 200
        assert get(port, "/readyz")[0] == 503
        status, text = get(port, "/metrics")
        assert status == 200
        assert 'bgpd_peer_state{peer="n1"}' in text
        assert 'bgpd_rib_prefixes{family="ipv4-unicast"} 1.0' in text
        assert get(port, "/api/v1/drain", "POST")[0] == 403
    finally:
        daemon.close()


def get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()
