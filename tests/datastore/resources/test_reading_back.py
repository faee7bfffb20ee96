"""What is written here is what the daemon reads: each stored document is one for ``datastore.calico``."""

import pytest

from bgpd.datastore.calico import resources as calico
from bgpd.datastore.resources.shapes import Document
from bgpd.datastore.resources.writing import Birth, created, encode
from tests.support.resources import ALL, object_of

READERS = {
    "Node": calico.node,
    "BGPPeer": calico.peer,
    "BGPConfiguration": calico.settings,
    "BGPFilter": calico.bgp_filter,
    "IPPool": calico.pool,
}


@pytest.mark.parametrize("document", ALL, ids=lambda one: one["kind"])
def test_the_daemon_reads_what_is_written(document: Document) -> None:
    one = object_of(document)
    READERS[one.kind.name](one.name, encode(created(one, Birth("u", "2026-01-05T10:00:00Z"))))
