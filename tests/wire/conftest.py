"""A daemon for each module of tests, made from the module's PEERS (and NODE and TABLES, parts of its bgp.toml)."""

from collections.abc import Iterator

import pytest

from tests.support.wire_daemon import WireDaemon


@pytest.fixture(scope="module")
def daemon(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WireDaemon]:
    """The module's daemon; at the end it must have logged no traceback, and stop with status 0."""
    module = request.module
    directory = tmp_path_factory.mktemp("bgpd")
    node, tables = getattr(module, "NODE", ""), getattr(module, "TABLES", "")
    with WireDaemon(directory, module.PEERS, node, tables) as made:
        yield made


@pytest.fixture(autouse=True)
def _no_traceback(daemon: WireDaemon) -> Iterator[None]:
    """Blame the test that it happened in."""
    yield
    daemon.check_log()
