from pathlib import Path

import pytest

from bench.cases import FULL, SMOKE, Case, fib, fulltable, learn, punctual, reflect
from bench.drivers import DRIVERS
from bench.drivers.bgpd import Bgpd, largest_lag
from bench.topology import speaker_address
from bgpd.config import Resolved, parse, resolve


def text(daemon: str, case: Case) -> str:
    (found,) = DRIVERS[daemon]().files(case.topology(1790), Path("/run/bench")).values()
    return found


def ours(case: Case) -> Resolved:
    return resolve(parse(text("bgpd", case), "bgp.toml"))


@pytest.mark.parametrize("case", {case.title: case for case in (*FULL, *SMOKE)}.values(), ids=lambda case: case.title)
def test_our_configuration_is_a_good_one(case: Case) -> None:
    assert len(ours(case).peers) == len(case.speakers)


def test_reflector_clients_are_clients_of_our_cluster() -> None:
    found = ours(reflect(3, 2))

    assert found.node.cluster_id is not None
    assert all(peer.reflector_client for peer in found.peers)


@pytest.mark.parametrize("daemon", DRIVERS)
def test_every_speaker_is_in_the_configuration(daemon: str) -> None:
    case = punctual(1000, 2)
    found = text(daemon, case)

    assert len(case.speakers) == 6
    assert all(speaker.address in found and str(speaker.asn) in found for speaker in case.speakers)


@pytest.mark.parametrize("daemon", DRIVERS)
def test_watchers_speak_the_other_family(daemon: str) -> None:
    case = punctual(1000, 1)

    assert [speaker.family for speaker in case.speakers] == [4, 4, 6, 6, 6]
    assert "ipv6" in text(daemon, case).lower()


@pytest.mark.parametrize("daemon", ["bgpd", "bird"])
def test_kernel_routes_are_touched_in_their_cases_alone(daemon: str) -> None:
    plain, writing, learning = text(daemon, fulltable(10)), text(daemon, fib(10)), text(daemon, learn(10))

    assert "100" in writing.replace("1790", "")
    assert "learn" in learning
    assert "protocol kernel" not in plain
    assert daemon != "bgpd" or "enabled = false" in plain


def test_speakers_beyond_255_have_addresses() -> None:
    assert [speaker_address(number) for number in (0, 254, 255, 999)] == [
        *("127.1.0.1", "127.1.0.255"),
        *("127.1.1.0", "127.1.3.232"),
    ]


def test_the_largest_lag_is_the_bound_that_holds_all() -> None:
    name = "bgpd_event_loop_lag_seconds_bucket"
    lines = [f'{name}{{le="0.001"}} 3.0', f'{name}{{le="0.02"}} 5.0', f'{name}{{le="+Inf"}} 5.0']

    assert largest_lag("\n".join(lines)) == 0.02
    assert largest_lag("nothing of the kind") is None
    assert Bgpd().version()
