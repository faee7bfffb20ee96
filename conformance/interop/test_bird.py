"""What ``bird.py`` makes of BIRD's answers, and of a machine without BIRD."""

import shutil

import pytest

from conformance.interop import bird
from conformance.interop.bird import BirdRoute, parse_routes
from conformance.interop.process import MissingDaemon, find

pytestmark = [pytest.mark.interop]

# BIRD 2.0.12, show route all
TWO_ROUTES = """\
Table t1ipv4:
203.0.113.0/24       unicast [p1 17:21:39.921 from fd00:0:7::1] * (100) [AS4200000007i]
\tvia 10.0.0.1 on eth0
\tType: BGP univ
\tBGP.as_path: 4200000007
\tBGP.community: (64512,77)
\tBGP.c8 [t]: 01 02 03
                     blackhole [s1 17:21:39.001] (200)
\tType: static univ
"""


def test_routes_are_read_with_their_next_hop_and_attributes() -> None:
    attributes = {"Type": "BGP univ", "as_path": "4200000007", "community": "(64512,77)", "c8": "01 02 03"}
    assert parse_routes(TWO_ROUTES) == [
        BirdRoute("203.0.113.0/24", "p1", True, "10.0.0.1", "eth0", attributes),
        BirdRoute("203.0.113.0/24", "s1", False, attributes={"Type": "static univ"}),
    ]


def test_a_missing_bird_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(MissingDaemon, match="apt-get install bird2"):
        find("bird", "bird2")
    with pytest.raises(MissingDaemon):
        bird.version()
