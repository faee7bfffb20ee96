"""The HTTP server, asked over real Unix sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bgpd.api.server import Server
from bgpd.api.sockets import FULL_MODE, READ_ONLY_MODE, bind_tcp, bind_unix
from tests.support.operations import Answers


class Site:
    """A served daemon and how to ask it."""

    def __init__(self, answers: Answers, full: aiohttp.ClientSession, read_only: aiohttp.ClientSession) -> None:
        self.answers = answers
        self.full = full
        self.read_only = read_only


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    answers = Answers()
    server = Server(answers)
    server.begin(answers)
    await server.serve(bind_unix(tmp_path / "a.sock", FULL_MODE), is_full=True)
    await server.serve(bind_unix(tmp_path / "a.sock.ro", READ_ONLY_MODE), is_full=False)
    async with (
        aiohttp.ClientSession("http://bgpd", connector=aiohttp.UnixConnector(str(tmp_path / "a.sock"))) as full,
        aiohttp.ClientSession("http://bgpd", connector=aiohttp.UnixConnector(str(tmp_path / "a.sock.ro"))) as read_only,
    ):
        yield Site(answers, full, read_only)
    await server.close()


async def test_peers_are_rows(site: Site) -> None:
    async with site.full.get("/api/v1/peers") as response:
        rows = (await response.json())["rows"]
    assert [(row["name"], row["state"]) for row in rows] == [("tor-r2", "Established"), ("fe80::1%eth0", "Connect")]


async def test_a_peer_whose_name_has_a_percent_sign_is_found(site: Site) -> None:
    async with site.full.get("/api/v1/peers/fe80::1%25eth0") as response:
        assert (await response.json())["row"]["name"] == "fe80::1%eth0"


async def test_an_unknown_peer_is_refused_with_a_hint(site: Site) -> None:
    async with site.full.get("/api/v1/peers/nobody") as response:
        assert response.status == 404
        assert await response.json() == {"error": "no peer nobody", "hint": "see bgpctl peers"}


async def test_an_unknown_peer_is_refused_before_a_list_begins(site: Site) -> None:
    async with site.full.get("/api/v1/peers/nobody/routes/in") as response:
        assert response.status == 404


async def test_an_unknown_path_is_refused_in_json(site: Site) -> None:
    async with site.full.get("/api/v2/peers") as response:
        assert response.status == 404
        assert "error" in await response.json()


async def test_a_command_by_get_is_refused_with_the_right_method(site: Site) -> None:
    async with site.full.get("/api/v1/reload") as response:
        assert response.status == 405
        assert (await response.json())["hint"] == "use POST"


async def test_a_list_is_one_json_object_with_a_row_on_each_line(site: Site) -> None:
    async with site.full.get("/api/v1/routes") as response:
        text = await response.text()
    assert [row["prefix"] for row in json.loads(text)["rows"]] == ["0.0.0.0/24", "0.0.1.0/24", "0.0.2.0/24"]
    assert len(text.splitlines()) == 5
    assert json.loads(text)["next"] is None


async def test_an_empty_list_is_an_empty_list(site: Site) -> None:
    site.answers.prefixes = 0
    async with site.full.get("/api/v1/routes") as response:
        assert await response.json() == {"rows": [], "next": None}


async def test_a_limit_ends_a_list_and_says_where_it_goes_on(site: Site) -> None:
    async with site.full.get("/api/v1/routes?limit=2") as response:
        answer = await response.json()
    assert (len(answer["rows"]), answer["next"]) == (2, 2)
    async with site.full.get("/api/v1/routes?limit=2&start=2") as response:
        answer = await response.json()
    assert (len(answer["rows"]), answer["next"]) == (1, None)


async def test_the_loop_turns_while_a_long_list_is_sent(site: Site) -> None:
    site.answers.prefixes = 20_000
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.ensure_future(count_turns())
    async with site.full.get("/api/v1/routes?limit=0") as response:
        answer = await response.json()
    counter.cancel()
    assert len(answer["rows"]) == 20_000
    assert turns >= site.answers.turns == 40


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("family=ipv5", "unknown family ipv5"),
        ("prefix=10.65.0.1/16", "not a prefix: 10.65.0.1/16 has host bits set"),
        ("prefix=10.65.0.0/16&family=ipv6-unicast", "prefix 10.65.0.0/16 is not of the family ipv6-unicast"),
        (f"limit={'9' * 5000}", f"limit is a number from 0 to 1000000000, not {'9' * 5000}"),
        ("limit=-1", "limit is a number from 0 to 1000000000, not -1"),
        ("longer=perhaps", "longer is true or false, not perhaps"),
        ("colour=red", "unknown parameter colour"),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(site: Site, query: str, error: str) -> None:
    async with site.full.get(f"/api/v1/routes?{query}") as response:
        assert response.status == 400
        assert (await response.json())["error"] == error


async def test_commands_are_carried_out_on_the_full_socket(site: Site) -> None:
    for path in (
        "reload",
        "drain",
        "peers/tor-r2/reset",
        "peers/tor-r2/enable",
        "peers/tor-r2/disable",
        "log-level?level=debug",
    ):
        async with site.full.post(f"/api/v1/{path}") as response:
            assert response.status == 200
    assert site.answers.commands == [
        "reload",
        "drain",
        "reset tor-r2",
        "enable tor-r2",
        "disable tor-r2",
        "log-level debug",
    ]


async def test_the_read_only_socket_shows_but_does_nothing(site: Site) -> None:
    async with site.read_only.get("/api/v1/status") as response:
        assert response.status == 200
    for path in ("reload", "drain", "peers/tor-r2/reset", "peers/tor-r2/disable", "log-level?level=debug"):
        async with site.read_only.post(f"/api/v1/{path}") as response:
            assert response.status == 403
    assert site.answers.commands == []


async def test_the_probes_answer(site: Site) -> None:
    async with site.read_only.get("/healthz") as response:
        assert response.status == 200
    async with site.read_only.get("/readyz") as response:
        assert response.status == 503
        assert (await response.json())["why"] == "one peer is down"


async def test_explain_needs_a_prefix(site: Site) -> None:
    async with site.full.get("/api/v1/explain") as response:
        assert response.status == 400
    async with site.full.get("/api/v1/explain?prefix=10.65.0.0/16") as response:
        assert (await response.json())["prefix"] == "10.65.0.0/16"


async def test_metrics_are_prometheus_text(site: Site) -> None:
    async with site.read_only.get("/metrics") as response:
        assert response.content_type == "text/plain"
        text = await response.text()
    assert 'bgpd_peer_routes{family="ipv4-unicast",kind="accepted",peer="tor-r2"} 6.0' in text


async def test_it_answers_on_tcp_too() -> None:
    server = Server(Answers())
    listener = bind_tcp("127.0.0.1", 0)
    port = listener.getsockname()[1]
    await server.serve(listener, is_full=False)
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as response:
        assert response.status == 503
    await server.close()


async def test_a_daemon_without_a_configuration_says_so_and_refuses_the_rest(tmp_path: Path) -> None:
    server = Server(Answers())
    await server.serve(bind_unix(tmp_path / "s", FULL_MODE), is_full=True)
    connector = aiohttp.UnixConnector(str(tmp_path / "s"))
    async with aiohttp.ClientSession("http://bgpd", connector=connector) as session:
        async with session.get("/api/v1/status") as response:
            assert response.status == 200
        for what in ("peers", "routes", "cluster"):
            async with session.get(f"/api/v1/{what}") as response:
                assert response.status == 503
                assert "waits for its first configuration" in (await response.json())["error"]
        server.begin(Answers())
        async with session.get("/api/v1/peers") as response:
            assert response.status == 200
    await server.close()
