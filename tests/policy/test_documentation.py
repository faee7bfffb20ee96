"""Every example of docs/policy.md does what it says."""

import re
from pathlib import Path

import pytest

from bgpd.config import parse, resolve
from bgpd.identity import PeerType
from bgpd.policy import Chain
from tests.support.routes import a_path, a_peer, attributes_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "policy.md"
NODE = '[node]\nasn = 64512\nrouter_id = "172.18.4.13"\n'
EXAMPLE = re.compile(r"```toml\n([^`]*)```\n```routes\n([^`]*)```")
LINE = re.compile(
    r"(?P<prefix>\S+)(?P<fields>[^>]*?)\s+-> (?P<verdict>accept|reject) by (?P<rule>[^:]+)(: (?P<changes>.+))?"
)


def _examples() -> list[tuple[str, str]]:
    return [
        (toml, line.strip()) for toml, routes in EXAMPLE.findall(DOCUMENT.read_text()) for line in routes.splitlines()
    ]


def _pairs(text: str | None) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in (text or "").split())


@pytest.mark.parametrize(("toml", "line"), _examples(), ids=lambda text: text if "->" in text else "")
def test_the_example_of_the_documentation_is_true(toml: str, line: str) -> None:
    found = LINE.fullmatch(line)
    assert found, f"not understood: {line}"
    fields = _pairs(found["fields"])
    peer = a_peer(PeerType(fields.pop("peer_type", "external")))
    interface = fields.pop("interface", "")
    path, prefix = a_path(found["prefix"], **fields)

    verdict = Chain(resolve(parse(NODE + toml, "")).policies).judge(path, path.attributes, prefix, peer, interface)

    changes = fields | _pairs(found["changes"])
    weight = int(changes.pop("weight", "0"))
    wanted = attributes_of(
        next_hop=path.attributes.next_hop,
        **{k: v for k, v in changes.items() if k not in ("source", "next_hop") and v != "absent"},
    )
    assert verdict.weight == weight
    assert (verdict.accepted, verdict.rule) == (found["verdict"] == "accept", found["rule"])
    assert verdict.attributes.octets == wanted.octets
    assert (verdict.attributes is path.attributes) == (found["changes"] is None)


def test_there_are_examples_for_every_section() -> None:
    assert len(EXAMPLE.findall(DOCUMENT.read_text())) >= 7
