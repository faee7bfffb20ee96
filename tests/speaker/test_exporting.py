"""What goes out to a group fits into a message, and all that the exporter says about it agrees."""

import pytest

from bgpd.families import IPV4_UNICAST
from bgpd.identity import PeerType
from bgpd.messages.attributes import as_path, block
from bgpd.messages.attributes.model import Origin, SegmentType, Unknown
from bgpd.policy.chain import Chain
from bgpd.rib.path import NextHop, Path
from bgpd.speaker.exporting import GroupExporter
from tests.support.paths import peer_source, prefix
from tests.support.rib import export_rule

HOP = bytes((10, 1, 0, 1))


@pytest.mark.rfc("6793", "4.2.2")
@pytest.mark.parametrize("filler", range(2400, 3000, 60))
def test_a_path_that_its_second_form_makes_too_long_for_a_two_octet_peer_does_not_go_out(filler: int) -> None:
    exporter = GroupExporter(export_rule(PeerType.EXTERNAL, four_octet_as=False), Chain([]), (prefix("10.99.0.0/16"),))
    sequence = as_path.from_segments([(SegmentType.AS_SEQUENCE, tuple(range(70_000, 70_200)))])  # type: ignore[arg-type]
    attributes = block.make(
        origin=Origin.IGP, as_path=sequence, next_hop=HOP, unknown=(Unknown(0xE0, 99, bytes(filler)),)
    )
    path = Path(peer_source(1), IPV4_UNICAST, attributes, NextHop(HOP))
    told = exporter.export(path)
    assert exporter.permits(path) is (told is not None)
    assert (exporter.judge(path, prefix("10.65.0.0/24")) is None) is (told is None)
