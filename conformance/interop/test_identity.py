"""Who we are to FRR and to BIRD: roles, an AS in migration, confederations.

RFC 9234, RFC 7705, RFC 5065. Session n has the subnet 10.9.n.0/24, .1 is ours and .2 the other daemon's. We are AS 300,
which some sessions know as AS 64, and the other is AS 200; or we are Member-AS 65001 and the other 65002, both in 100.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import pytest

from bgpd.api.rows import RouteRow
from conformance.interop.bird import Bird
from conformance.interop.daemon import Daemon
from conformance.interop.frr import Frr
from conformance.interop.our_side import use_addresses_at_once
from conformance.interop.waiting import NotYet, eventually
from tests.support.netns import Namespace, join, namespaces

pytestmark = [pytest.mark.interop, pytest.mark.netns]

OURS: Final = "10.65.3.64/26"
THEIRS: Final = "10.70.0.0/24"


@dataclass(frozen=True, slots=True)
class Session:
    """One session. asn: what the other knows us by. ours: lines of our ``[[peer]]``. role: the other's, if it has one.

    path, otc: of our network as the other has it. taken: path of the other's network as we take it.
    """

    number: int
    asn: int = 300
    ours: str = ""
    role: str = ""
    is_strict: bool = False
    path: str = "300"
    otc: int | None = None
    taken: str = "200"

    @property
    def our_end(self) -> str:
        return f"10.9.{self.number}.1"

    @property
    def their_end(self) -> str:
        return f"10.9.{self.number}.2"


STRICT: Final = "strict_role = true"
UP: Final[Mapping[str, Session]] = {
    "local AS alone": Session(1, 64, "local_asn = 64", path="64 300", taken="64 200"),
    "no-prepend, replace-as": Session(
        2, 64, 'local_asn = 64\nlocal_asn_options = ["no-prepend", "replace-as"]', path="64"
    ),
    "dual-as, the other knows the new AS": Session(3, 300, 'local_asn = 64\nlocal_asn_options = ["dual-as"]'),
    "we are the provider": Session(4, ours=f'role = "provider"\n{STRICT}', role="customer", is_strict=True, otc=300),
    "we are the customer": Session(5, ours=f'role = "customer"\n{STRICT}', role="provider", is_strict=True),
    "peers": Session(6, ours='role = "peer"', role="peer", otc=300),
    "we are the route server": Session(7, ours='role = "rs"', role="rs-client", otc=300),
    "we alone have a role": Session(8, ours='role = "provider"', otc=300),
}
DOWN: Final[Mapping[str, Session]] = {
    "both are providers": Session(9, ours='role = "provider"', role="provider"),
    "the other asks for our role": Session(10, role="customer", is_strict=True),
    "we ask for the other's role": Session(11, ours=f'role = "peer"\n{STRICT}'),
}
MEMBER: Final = Session(12, 65001)


@dataclass(frozen=True, slots=True)
class Told:
    """Our network as the other has it. path: a confederation's segment in parentheses."""

    path: str
    local_pref: int | None
    otc: int | None


class Router(Protocol):
    """The other daemon. members: it is Member-AS 65002 of confederation 100, with these sessions; else AS 200."""

    def configure(self, sessions: list[Session], members: list[Session]) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def told(self, session: Session) -> Told: ...


class FrrRouter:
    """FRR."""

    def __init__(self, namespace: Namespace, directory: Path) -> None:
        self._directory = directory
        self._asn = 0
        self._frr: Frr
        self._namespace = namespace

    def configure(self, sessions: list[Session], members: list[Session]) -> None:
        asn = 65002 if members else 200
        self._frr = Frr(self._namespace, self._directory, asn, "10.9.0.2")
        lines = [f"router bgp {asn}", "bgp router-id 10.9.0.2", "no bgp ebgp-requires-policy"]
        lines.append("no bgp network import-check")
        if members:
            lines += ["bgp confederation identifier 100", "bgp confederation peers 65001"]
        for session in (*sessions, *members):
            peer = f"neighbor {session.our_end}"
            lines += [f"{peer} remote-as {session.asn}", f"{peer} timers connect 1"]
            if session.role:
                lines.append(f"{peer} local-role {session.role}{' strict-mode' * session.is_strict}")
        lines += ["address-family ipv4 unicast", f"network {THEIRS}", "exit-address-family"]
        (self._directory / "zebra.conf").write_text("")
        (self._directory / "frr.conf").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        self._frr.start()

    def stop(self) -> None:
        self._frr.stop()

    def told(self, session: Session) -> Told:
        lines = self._frr.ask(f"show bgp ipv4 unicast {OURS}").splitlines()
        for at, line in enumerate(lines):
            if f" from {session.our_end} " in line:
                return Told(lines[at - 1].strip(), *_numbers(lines[at + 1], r"localpref (\d+)", r"otc (\d+)"))
        raise NotYet(f"FRR has no {OURS} from {session.our_end}")


class BirdRouter:
    """BIRD."""

    def __init__(self, namespace: Namespace, directory: Path) -> None:
        self._bird = Bird(namespace, directory)

    def configure(self, sessions: list[Session], members: list[Session]) -> None:
        parts = ["router id 10.9.0.2;", "protocol device {}"]
        parts.append(f"protocol static {{ ipv4; route {THEIRS} via 10.9.{(*sessions, *members)[0].number}.9; }}")
        for session in (*sessions, *members):
            own = 65002 if session in members else 200
            role = f"local role {session.role.replace('-', '_')};" if session.role else ""
            parts.append(
                f"protocol bgp s{session.number} {{ local {session.their_end} as {own};"
                f" neighbor {session.our_end} as {session.asn}; direct; {role}"
                f"{' require roles yes;' if session.is_strict else ''}"
                f"{' confederation 100; confederation member yes;' if session in members else ''}"
                " connect delay time 1; error wait time 1, 2; ipv4 { import all; export all; }; }"
            )
        self._bird.configure("\n".join(parts))

    def start(self) -> None:
        self._bird.start()

    def stop(self) -> None:
        self._bird.stop()

    def told(self, session: Session) -> Told:
        for route in self._bird.told(f"s{session.number}", "master4"):
            if route.prefix == OURS:
                found = route.attributes
                local_pref, otc = (int(found[name]) if name in found else None for name in ("local_pref", "otc"))
                return Told(found.get("as_path", ""), local_pref, otc)
        raise NotYet(f"BIRD has no {OURS} of session {session.number}")


def _numbers(line: str, *patterns: str) -> Iterator[int | None]:
    for pattern in patterns:
        found = re.search(pattern, line)
        yield int(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class Meeting:
    """bgpd and the other one."""

    bgpd: Daemon
    other: Router


ROUTERS: Final = {"FRR": FrrRouter, "BIRD": BirdRouter}


@contextmanager
def meeting(
    router: str, directory: Path, node: str, sessions: list[Session], members: list[Session]
) -> Iterator[Meeting]:
    every, asn = (*sessions, *members), 65002 if members else 200
    with namespaces("bgpd", "other") as (here, there):
        for namespace, end in ((here, "our_end"), (there, "their_end")):
            use_addresses_at_once(namespace)
            if namespace is here:
                join(here, "eth0", there, "eth0")
            namespace.ip_batch(f"address add {getattr(session, end)}/24 dev eth0" for session in every)
        made = Meeting(Daemon(here, directory), ROUTERS[router](there, directory))
        made.other.configure(sessions, members)
        made.bgpd.configure(
            f'[node]\nrouter_id = "10.9.0.1"\naddresses = ["{every[0].our_end}/24"]\n{node}\n'
            "[kernel]\nenabled = false\n[session]\nebgp_requires_policy = false\nconnect_retry_time = 1\n"
            + "".join(
                f'[[peer]]\nname = "s{one.number}"\naddress = "{one.their_end}"\nlocal_address = "{one.our_end}"\n'
                f"asn = {asn}\n{one.ours}\n"
                for one in every
            )
            + f'[[network]]\nprefix = "{OURS}"\n'
        )
        try:
            made.other.start()
            made.bgpd.start()
            yield made
        finally:
            made.bgpd.stop()
            made.other.stop()
        assert made.bgpd.faults() == []


@pytest.fixture(scope="module", params=ROUTERS)
def outside(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meeting]:
    directory = tmp_path_factory.mktemp(f"identity-{request.param}")
    with meeting(request.param, directory, "asn = 300", [*UP.values(), *DOWN.values()], []) as made:
        yield made


@pytest.fixture(scope="module", params=ROUTERS)
def inside(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meeting]:
    node = "asn = 65001\nconfederation = { identifier = 100, members = [65001, 65002] }"
    with meeting(request.param, tmp_path_factory.mktemp(f"member-{request.param}"), node, [], [MEMBER]) as made:
        yield made


def _taken(made: Meeting, session: Session) -> RouteRow:
    """Return their network as the Loc-RIB has it from a session."""
    for row in made.bgpd.routes(THEIRS):
        if row.peer == f"s{session.number}":
            return row
    raise NotYet(f"no {THEIRS} of session {session.number}")


@pytest.mark.parametrize("session", UP.values(), ids=UP)
def test_the_other_has_our_network_by_the_path_and_the_mark_that_it_should(outside: Meeting, session: Session) -> None:
    told = eventually("our network", lambda: outside.other.told(session))
    assert (told.path, told.otc) == (session.path, session.otc)


@pytest.mark.parametrize("session", UP.values(), ids=UP)
def test_we_have_the_others_network_by_the_path_that_we_should(outside: Meeting, session: Session) -> None:
    assert eventually("their network", lambda: _taken(outside, session)).as_path == session.taken


@pytest.mark.parametrize("session", DOWN.values(), ids=DOWN)
def test_roles_that_do_not_fit_keep_the_session_down(outside: Meeting, session: Session) -> None:
    row = eventually(
        "an error", lambda: [row for row in [outside.bgpd.peers()[f"s{session.number}"]] if "Role" in row.last_error]
    )[0]
    assert "Open Message/Role Mismatch" in row.last_error
    assert not row.is_up


@pytest.mark.rfc("5065", "4.1")
def test_members_of_a_confederation_tell_each_other_their_member_as(inside: Meeting) -> None:
    told = eventually("our network", lambda: inside.other.told(MEMBER))
    taken = eventually("their network", lambda: _taken(inside, MEMBER))
    assert (told.path, told.local_pref) == ("(65001)", 100)
    assert (taken.as_path, taken.local_pref) == ("(65002)", 100)
    assert inside.bgpd.peers()[f"s{MEMBER.number}"].type == "confed"
