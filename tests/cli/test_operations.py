"""What commands answer an operator, on speakers in memory."""

from asyncio import Protocol
from pathlib import Path

import pytest

from bgpd.api.health import Health
from bgpd.api.loop_lag import LoopLag
from bgpd.api.operations import Refused
from bgpd.cli.drain_mark import DrainMark
from bgpd.cli.logs import Threshold
from bgpd.cli.notify import Notifier
from bgpd.cli.operations import SpeakerOperations
from bgpd.datastore.file import FileSource
from tests.support.cluster import Cluster, address, cluster, network, peer

TWO = address(2)


def operations(made: Cluster) -> SpeakerOperations:
    speaker = made.speakers[1]
    source = FileSource(Path("bgp.toml"), speaker.config)
    nowhere = DrainMark(Path("/nonexistent/bgpd.sock"))
    return SpeakerOperations(speaker, source, None, Threshold("info"), LoopLag(made.loop), Notifier(), nowhere)


def test_a_drain_of_what_has_no_session_does_not_say_that_it_waits() -> None:
    with cluster() as made:
        made.start(1, peer(2, enabled="false"))
        asked = operations(made)
        assert "closing in" not in asked.drain(TWO, 5).done[0]
        assert "closing in" not in asked.drain("", 5).done[0]


def test_a_drain_of_a_session_says_how_long_it_waits() -> None:
    with cluster() as made:
        made.start(1, peer(2))
        made.start(2, peer(1))
        made.established()
        asked = operations(made)
        assert "closing in 5 s" in asked.drain(TWO, 5).done[0]
        assert "closing in 5 s" in asked.drain("", 5).done[0]


def test_taking_a_drain_back_says_who_stays_down_all_the_same() -> None:
    with cluster() as made:
        made.start(1, peer(2))
        asked = operations(made)
        asked.disable(TWO)
        asked.drain(TWO, 0)
        with pytest.raises(Refused, match="is drained"):
            asked.enable(TWO)
        assert "disabled" in asked.undrain(TWO).done[0]
        asked.drain("", 0)
        assert f"disabled: {TWO}" in asked.undrain("").done[0]
        assert "enabled" in asked.enable(TWO).done[0]
        assert made.peer(1, 2).session.is_started


def test_a_refused_enable_changes_nothing() -> None:
    with cluster() as made:
        made.start(1, peer(2))
        asked = operations(made)
        asked.drain("", 0)
        asked.disable(TWO)
        with pytest.raises(Refused, match="the node is drained"):
            asked.enable(TWO)
        asked.undrain("")
        assert made.peer(1, 2).is_disabled
        assert not made.peer(1, 2).session.is_started


def test_a_peer_that_is_held_down_comes_up_once_it_may_if_it_was_enabled_meanwhile() -> None:
    with cluster() as made:
        made.start(1, peer(2, password_file='"/nonexistent/bgpd/key"'))
        asked = operations(made)
        asked.disable(TWO)
        with pytest.raises(Refused, match="is held down"):
            asked.enable(TWO)
        made.speakers[1].reload(made.config(1, peer(2)))
        assert made.peer(1, 2).session.is_started


def test_a_hard_reset_lets_go_of_what_is_kept_of_a_peer_that_is_away() -> None:
    with cluster() as made:
        made.start(1, peer(2))
        made.start(2, peer(1) + network("10.65.1.0/26"))
        made.until(1, "10.65.1.0/26")
        made.network.block(address(1), address(2))
        made.network.cut(address(1), address(2))
        made.run(1)
        assert made.best(1, "10.65.1.0/26") is not None
        operations(made).reset(TWO)
        made.run(1)
        assert made.best(1, "10.65.1.0/26") is not None
        operations(made).hard_reset(TWO)
        made.run(1)
        assert made.best(1, "10.65.1.0/26") is None
        made.network.unblock(address(1), address(2))
        made.until(1, "10.65.1.0/26", within=60)


def test_status_says_that_nobody_can_dial_after_a_reload_that_could_not_listen() -> None:
    with cluster() as made:
        speaker = made.start(1, "")
        made.loop.run_until_complete(
            made.network.hosts[bytes((10, 0, 0, 1))].listen(bytes((10, 0, 0, 1)), 1790, Protocol)
        )
        speaker.reload(made.config(1, "", node="port = 1790"))
        made.run(1)
        status = operations(made).status()
        assert status.state == "degraded"
        assert status.problems == ("not listening: cannot listen on 10.0.0.1 port 1790: Address already in use",)
        speaker.reload(made.config(1, "", node="port = 1791"))
        made.run(1)
        assert operations(made).status().problems == ()


def test_a_node_that_is_drained_is_not_ready_for_traffic_from_its_first_moment_on() -> None:
    with cluster() as made:
        made.start(1, peer(2))
        made.start(2, peer(1))
        made.established()
        asked = operations(made)
        assert asked.health().is_ready
        asked.drain("", 5)
        assert not asked.health().is_ready
        made.run(10)
        assert asked.health() == Health(is_ready=False, why="the node is drained")
        asked.undrain("")
        made.established(within=60)
        assert asked.health().is_ready


def test_the_worst_lag_of_the_loop_is_measured() -> None:
    with cluster() as made:
        made.start(1, peer(2))
        asked = operations(made)
        asked._lag.worst = 0.25
        assert asked.statistics().worst_lag == 0.25
