"""Records sessions with real daemons: ``python -m conformance.replay.record [--again] [NAME ...]``. Needs root.

Each scenario has bgpd on 10.0.0.1 and the other daemon on 10.0.0.2, in namespaces joined by a wire.
"""

import argparse
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bgpd.addresses import parse_address
from conformance.interop.bird import Bird
from conformance.interop.daemon import Daemon
from conformance.interop.openbgpd import BGPCTL, BGPD, CHROOT
from conformance.interop.process import Process, find
from conformance.interop.waiting import eventually
from conformance.replay.capture import Capture
from conformance.replay.player import US, with_expected
from conformance.replay.recording import Recording
from tests.support.cluster import address, network, peer
from tests.support.netns import Namespace, add_address, join, namespaces

RECORDINGS: Final = Path(__file__).parent / "recordings"
_DEVICE: Final = "eth0"
_NETWORKS: Final = network("10.65.1.0/24", communities='["64512:100"]') + network("10.65.2.0/24")
_FRR: Final = "/usr/lib/frr/bgpd"


@dataclass(frozen=True, slots=True)
class Stage:
    """What a scenario plays on: our daemon, where the other one lives, and the ear on the wire."""

    bgpd: Daemon
    there: Namespace
    directory: Path
    capture: Capture

    def wait_established(self) -> None:
        """Wait until the session is up."""
        eventually("established", lambda: all(row.is_up for row in self.bgpd.peers().values()))

    def wait_down(self) -> None:
        """Wait until the session is down."""
        eventually("down", lambda: not any(row.is_up for row in self.bgpd.peers().values()))

    def settle(self, seconds: float = 2.5) -> None:
        """Let the daemons say all they have to say, then have the tables written down."""
        time.sleep(seconds)
        self.capture.look()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One session. config: ours. play: what happens; starts the other daemon, and ends it or leaves it running."""

    about: str
    asn: int
    config: str
    play: Callable[[Stage], None]


def _bird(stage: Stage, protocol: str, *, asn: int = 65002) -> Bird:
    bird = Bird(stage.there, stage.directory / "bird")
    routes = "".join(f"route 10.66.{number}.0/24 blackhole; " for number in range(1, 9))
    bird.configure(
        f"""
router id 10.0.0.2;
protocol device {{}}
protocol static own {{ ipv4; {routes} }}
protocol bgp b {{ local 10.0.0.2 as {asn}; neighbor 10.0.0.1 as 64512; connect retry time 2;
  error wait time 1, 2; {protocol} }}
"""
    )
    bird.start()
    return bird


_EXCHANGE: Final = (
    "graceful restart off; ipv4 { import all; export filter "
    "{ bgp_community.add((65002, 7)); bgp_large_community.add((65002, 1, 2)); if net = 10.66.3.0/24 then "
    "{ bgp_med = 50; bgp_path.prepend(65002); } accept; }; };"
)


def _bird_exchange(stage: Stage) -> None:
    bird = _bird(stage, f"connect delay time 1; passive on; {_EXCHANGE}")
    stage.wait_established()
    stage.settle()
    bird.ask("disable own")
    stage.settle()
    bird.ask("enable own")
    stage.settle()
    bird.stop()
    stage.settle()


def _bird_refresh(stage: Stage) -> None:
    bird = _bird(stage, f"connect delay time 1; {_EXCHANGE}")
    stage.wait_established()
    stage.settle()
    bird.ask("reload in b")
    stage.settle()
    bird.ask("reload out b")
    stage.settle()
    bird.stop()


def _bird_restart(stage: Stage) -> None:
    protocol = "connect delay time 1; graceful restart on; graceful restart time 30; ipv4 { import all; export all; };"
    bird = _bird(stage, protocol)
    stage.wait_established()
    stage.settle()
    bird.kill()
    stage.wait_down()
    stage.settle()
    bird.start("-R")
    stage.wait_established()
    stage.settle(6)
    bird.stop()
    stage.settle()


def _bird_wrong_as(stage: Stage) -> None:
    bird = _bird(stage, f"connect delay time 1; {_EXCHANGE}", asn=65003)
    time.sleep(6)
    bird.stop()


def _bird_shutdown(stage: Stage) -> None:
    bird = _bird(stage, f"connect delay time 1; {_EXCHANGE}")
    stage.wait_established()
    stage.settle()
    bird.ask('disable b "moved to rack 7"')
    stage.wait_down()
    stage.settle()
    bird.stop()


def _frr(stage: Stage, connect: int) -> Process:
    directory = stage.directory / "frr"
    directory.mkdir()
    directory.chmod(0o777)
    config = directory / "bgpd.conf"
    config.write_text(
        f"""
router bgp 65002
 bgp router-id 10.0.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.0.1 remote-as 64512
 neighbor 10.0.0.1 timers connect {connect}
 neighbor 10.0.0.1 advertisement-interval 0
 address-family ipv4 unicast
  network 10.66.1.0/24
  network 10.66.2.0/24
  aggregate-address 10.66.0.0/16 as-set
"""
    )
    frr = Process(stage.there, directory / "log")
    files = ("-f", str(config), "-i", f"{directory}/pid", "--vty_socket", str(directory), "-P", "0")
    frr.start(find(_FRR, "frr"), "-Z", "-S", *files)
    return frr


def _frr_exchange(stage: Stage) -> None:
    frr = _frr(stage, connect=1)
    stage.wait_established()
    stage.settle(3)
    frr.stop()
    stage.settle()


def _frr_collision(stage: Stage) -> None:
    # Its kernel takes our connection while it sleeps; it wakes with a dial that is due, and with ours to accept
    stage.bgpd.stop()
    frr = _frr(stage, connect=3)
    time.sleep(1)
    with frr.frozen():
        stage.bgpd.start()
        time.sleep(4)
    stage.wait_established()
    stage.settle(3)
    frr.stop()


def _gobgp_exchange(stage: Stage) -> None:
    config = stage.directory / "gobgpd.toml"
    config.write_text(
        """
[global.config]
as = 65002
router-id = "10.0.0.2"
[[neighbors]]
[neighbors.config]
neighbor-address = "10.0.0.1"
peer-as = 64512
[neighbors.timers.config]
connect-retry = 1
"""
    )
    gobgpd = Process(stage.there, stage.directory / "gobgpd.log")
    gobgpd.start(find("gobgpd", "gobgpd"), "-f", str(config), "--api-hosts", "127.0.0.1:50051")
    stage.wait_established()
    gobgp = find("gobgp", "gobgpd")
    for words in ("10.66.1.0/24 community 65002:7", "10.66.2.0/24 med 9 aspath 65010,65011", "10.66.3.0/24 origin egp"):
        stage.there.run(gobgp, "global", "rib", "add", *words.split())
    stage.settle()
    stage.there.run(gobgp, "neighbor", "10.0.0.1", "softresetin")
    stage.settle()
    stage.there.run(gobgp, "global", "rib", "del", "10.66.2.0/24")
    stage.settle()
    gobgpd.stop()
    stage.settle()


def _openbgpd_exchange(stage: Stage) -> None:
    directory = stage.directory / "openbgpd"
    directory.mkdir()
    config, socket = directory / "bgpd.conf", directory / "bgpd.sock"
    config.write_text(
        f"""
AS 65002
router-id 10.0.0.2
socket "{socket}"
fib-update no
connect-retry 1
network 10.66.1.0/24 set {{ community 65002:7 large-community 65002:1:2 }}
network 10.66.2.0/24 set {{ metric 9 prepend-self 2 }}
network 10.66.3.0/24
neighbor 10.0.0.1 {{
  remote-as 64512
  announce IPv6 none
  announce enhanced refresh yes
}}
allow from any
allow to any
"""
    )
    CHROOT.mkdir(mode=0o755, exist_ok=True)
    openbgpd = Process(stage.there, directory / "log")
    openbgpd.start(find(BGPD, "openbgpd"), "-d", "-f", str(config))
    stage.wait_established()
    stage.settle()
    for words in (
        "neighbor 10.0.0.1 refresh",
        "network delete 10.66.3.0/24",
        "neighbor 10.0.0.1 down 'moved to rack 7'",
    ):
        stage.there.run(find(BGPCTL, "openbgpd"), "-s", str(socket), *shlex.split(words))
        stage.settle()
    openbgpd.stop()


def _ours(**options: str) -> str:
    return peer(2, asn="65002", ebgp_requires_policy="false", local_address='"10.0.0.1"', **options) + _NETWORKS


_PASSIVE: Final = _ours(passive="true")

SCENARIOS: Final = {
    "bird-exchange": Scenario(
        "BIRD, eBGP, we dial: establishment, full exchange, withdrawal, announcement, its end.",
        64512,
        _ours(connect_retry_time="1"),
        _bird_exchange,
    ),
    "bird-refresh": Scenario("BIRD, eBGP, it dials: route refresh both ways.", 64512, _PASSIVE, _bird_refresh),
    "bird-graceful-restart": Scenario(
        "BIRD is killed and restarts gracefully: its routes stay, stale, until it has sent End-of-RIB.",
        64512,
        _PASSIVE,
        _bird_restart,
    ),
    "frr-collision": Scenario(
        "FRR and bgpd dial each other at one time: one connection stays.",
        64512,
        _ours(connect_retry_time="1"),
        _frr_collision,
    ),
    "bird-wrong-as": Scenario(
        "BIRD has another AS number than we expect: OPEN is refused, several times.", 64512, _PASSIVE, _bird_wrong_as
    ),
    "bird-shutdown": Scenario("BIRD is shut down by its operator, with a text.", 64512, _PASSIVE, _bird_shutdown),
    "frr-exchange": Scenario(
        "FRR, eBGP, it dials: exchange with an aggregate, then its end.", 64512, _PASSIVE, _frr_exchange
    ),
    "openbgpd-exchange": Scenario(
        "OpenBGPD, eBGP, it dials: exchange, enhanced refresh, withdrawal, shutdown with a text.",
        64512,
        _PASSIVE,
        _openbgpd_exchange,
    ),
    "gobgp-exchange": Scenario(
        "GoBGP, eBGP, it dials: exchange, refresh, withdrawal, its end.", 64512, _PASSIVE, _gobgp_exchange
    ),
}


def record(name: str) -> Recording:
    """Run a scenario and return what was heard, and what it is expected to come to."""
    scenario = SCENARIOS[name]
    with tempfile.TemporaryDirectory() as directory, namespaces("bgpd", "peer") as (here, there):
        join(here, _DEVICE, there, _DEVICE)
        for namespace, number in ((here, US), (there, 2)):
            add_address(namespace, _DEVICE, f"{address(number)}/24")
            add_address(namespace, _DEVICE, f"fd00::{number}/64")
        bgpd = Daemon(here, Path(directory) / "bgpd")
        bgpd.configure(_whole(scenario))
        with Capture(here, _DEVICE, parse_address(address(US))) as capture:
            bgpd.start()
            try:
                scenario.play(Stage(bgpd, there, Path(directory), capture))
            finally:
                bgpd.stop()
        wire = tuple(capture.events)
    last_words = max(index for index, event in enumerate(wire) if event.connection == 0 or event.octets)
    return with_expected(Recording(scenario.about, scenario.asn, scenario.config, wire[: last_words + 1]))


def _whole(scenario: Scenario) -> str:
    """Return the bgp.toml that the replay's speaker has too."""
    return f"""
[node]
name = "node{US}"
asn = {scenario.asn}
addresses = ["{address(US)}/24", "fd00::{US}/64"]
listen = ["{address(US)}"]
{scenario.config}
[kernel]
enabled = false
"""


def main() -> int:
    """Record the scenarios that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m conformance.replay.record")
    parser.add_argument("--again", action="store_true", help="only write anew what is expected of a recording")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCENARIOS)}; default: all")
    options = parser.parse_args()
    for name in options.names or SCENARIOS:
        path = RECORDINGS / f"{name}.txt"
        made = with_expected(Recording.parse(path.read_text())) if options.again else record(name)
        path.write_text(made.format())
        print(
            f"{path.name}: {len(made.wire)} events, {len(made.expected)} lines expected, {path.stat().st_size} octets"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
