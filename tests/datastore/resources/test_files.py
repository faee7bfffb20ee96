"""Documents and lists of documents, as files have them."""

import pytest

from bgpd.datastore.resources.files import Unusable, written
from bgpd.datastore.resources.kinds import BGP_CONFIGURATION, BGP_FILTER, BGP_PEER, IP_POOL, NODE, Kind, kind_named
from bgpd.datastore.resources.shapes import Json
from tests.support.resources import ALL, POOL, faults
from tests.support.resources import NODE as GOOD_NODE


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ippool", IP_POOL), ("ipPool", IP_POOL), ("IPPools", IP_POOL), ("node", NODE), ("Nodes", NODE),
        ("bgppeer", BGP_PEER), ("bgpPeers", BGP_PEER), ("bgpConfig", BGP_CONFIGURATION),
        ("bgpconfigurations", BGP_CONFIGURATION), ("BGPFilter", BGP_FILTER), ("bgpfilters", BGP_FILTER),
    ],
)  # fmt: skip
def test_kinds_are_known_by_the_names_that_calicoctl_takes(name: str, kind: Kind) -> None:
    assert kind_named(name) is kind


def test_another_kind_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="Node, BGPPeer, BGPConfiguration, BGPFilter, IPPool"):
        kind_named("profile")


@pytest.mark.parametrize(
    "documents",
    [
        [("f", one) for one in ALL],
        [("f", {"kind": "List", "apiVersion": "v1", "items": list(ALL)})],
        [("f", list(ALL))],
        [("f", None), ("f", {"kind": "List", "apiVersion": "projectcalico.org/v3", "items": [list(ALL)]})],
    ],
)
def test_documents_come_one_by_one_and_in_lists(documents: list[tuple[str, Json]]) -> None:
    assert [one.kind.name for one in written(documents) if not isinstance(one, Unusable)] == [
        one["kind"] for one in ALL
    ]


def test_the_items_of_a_typed_list_need_not_say_their_kind() -> None:
    item = {"metadata": POOL["metadata"], "spec": POOL["spec"]}
    listed: Json = {"kind": "IPPoolList", "apiVersion": "projectcalico.org/v3", "metadata": {}, "items": [item]}
    (one,) = written([("f", listed)])
    assert (one.place, one.faults) == ("f: items[0]", ())


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ("text", "expected kind, apiVersion"),
        (7, "expected kind, apiVersion"),
        ({"apiVersion": "projectcalico.org/v3"}, "kind: is missing"),
        ({"kind": "IPPool"}, "apiVersion: expected projectcalico.org/v3"),
        ({"kind": "IPPool", "apiVersion": "crd.projectcalico.org/v1"}, "apiVersion: expected projectcalico.org/v3"),
        ({"kind": "Profile", "apiVersion": "projectcalico.org/v3"}, "kind: expected one of Node"),
        ({"kind": "IPPool", "apiVersion": "projectcalico.org/v3"}, "metadata: expected name and labels"),
        ({"kind": "List", "items": {}}, "items: expected a list"),
        ({**GOOD_NODE, "spec": []}, "spec: expected fields with names"),
    ],
)
def test_what_is_no_object_is_refused(document: Json, fault: str) -> None:
    assert [one for one in faults(document) if one.startswith(fault)], faults(document)
