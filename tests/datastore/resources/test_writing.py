"""What a write makes of an object: defaults, what stays, what goes, what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.datastore.resources.files import Written, written
from bgpd.datastore.resources.shapes import Document, Json, part
from bgpd.datastore.resources.writing import (
    Birth,
    Verb,
    created,
    decode,
    encode,
    exported,
    exposed,
    faults_of,
    faults_of_update,
    updated,
)
from tests.support.resources import ALL, CONFIGURATION, NODE, PEER, POOL, changed, object_of, only

BIRTH = Birth("5d0c", "2026-01-05T10:00:00Z")

texts = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(("kind", "apiVersion", "metadata", "spec", "items", "name", "cidr", "bgp", "peerIP", "scope"))
words = st.sampled_from(("IPPool", "v1", "projectcalico.org/v3", "Node", "bgpPeer", "List", "10.0.0.0/8", "global"))
anything = st.recursive(values | words, lambda inner: st.dictionaries(names, inner | words), max_leaves=20)
foreign = st.dictionaries(texts.map(lambda name: f"x{name}"), values, max_size=3)


def stored(document: Document, **metadata: Json) -> Document:
    made = created(object_of(document), BIRTH)
    return {**made, "metadata": {**part(made, "metadata"), **metadata}}


def test_a_new_object_is_stored_as_calico_stores_it() -> None:
    made = stored(changed(POOL, {"metadata.resourceVersion": "7", "metadata.uid": "old"}))
    assert list(made) == ["kind", "apiVersion", "metadata", "spec"]
    assert made["metadata"] == {"name": "pods-v4", "uid": "5d0c", "creationTimestamp": "2026-01-05T10:00:00Z"}
    assert encode({"kind": "IPPool", "spec": {"x": "ü"}}) == '{"kind":"IPPool","spec":{"x":"ü"}}'.encode()


@pytest.mark.parametrize("verb", [Verb.APPLY, Verb.REPLACE])
def test_a_field_that_a_file_leaves_out_goes(verb: Verb) -> None:
    made = updated(object_of(changed(PEER, {"spec.filters": None})), stored(PEER), verb)
    assert "filters" not in part(made, "spec")


@pytest.mark.parametrize("verb", [Verb.APPLY, Verb.REPLACE])
def test_what_programs_write_stays(verb: Verb) -> None:
    before = stored(NODE)
    before["status"] = {"wireguardPublicKey": "k"}
    part(before, "spec", "bgp")["ipv4IPIPTunnelAddr"] = "10.65.3.0"
    part(before, "spec")["vxlanTunnelMACAddr"] = "66:00"
    file = changed(NODE, {"spec.wireguard": None, "spec.orchRefs": None, "spec.bgp.asNumber": None, "status": {"x": 1}})
    made = updated(object_of(file), before, verb)
    assert made["status"] == {"wireguardPublicKey": "k"}
    assert part(made, "spec")["wireguard"] == {"interfaceIPv4Address": "10.65.3.9"}
    assert part(made, "spec")["orchRefs"] == [{"nodeName": "worker-3", "orchestrator": "k8s"}]
    assert part(made, "spec", "bgp")["ipv4IPIPTunnelAddr"] == "10.65.3.0"
    assert "asNumber" not in part(made, "spec", "bgp")


def test_an_object_stays_the_same_one() -> None:
    file = changed(
        POOL, {"metadata.uid": "mine", "metadata.creationTimestamp": "2000", "metadata.resourceVersion": "9"}
    )
    made = updated(object_of(file), stored(POOL, generation=3), Verb.REPLACE)
    expected = {"name": "pods-v4", "uid": "5d0c", "creationTimestamp": "2026-01-05T10:00:00Z", "generation": 3}
    assert made["metadata"] == expected


def test_apply_adds_labels_and_replace_sets_them() -> None:
    before = stored(NODE, labels={"rack": "r1", "zone": "z"}, annotations={"a/b": "c"})
    file = changed(NODE, {"metadata.labels": {"rack": "r2"}})
    applied, replaced = (updated(object_of(file), before, verb) for verb in (Verb.APPLY, Verb.REPLACE))
    assert part(applied, "metadata", "labels") == {"rack": "r2", "zone": "z"}
    assert part(applied, "metadata", "annotations") == {"a/b": "c"}
    assert part(replaced, "metadata", "labels") == {"rack": "r2"}
    assert "annotations" not in part(replaced, "metadata")


@pytest.mark.parametrize("document", ALL, ids=lambda one: one["kind"])
@given(extra=foreign, deep=foreign, verb=st.sampled_from((Verb.APPLY, Verb.REPLACE)))
def test_what_others_wrote_outlives_a_file_that_is_silent_about_it(
    document: Document, extra: Document, deep: Document, verb: Verb
) -> None:
    before = stored(document)
    before.update(extra)
    part(before, "spec").update(deep)
    made = updated(object_of(document), before, verb)
    assert {name: made[name] for name in extra} == extra
    assert {name: part(made, "spec")[name] for name in deep} == deep


@pytest.mark.parametrize("document", ALL, ids=lambda one: one["kind"])
@given(extra=foreign, deep=foreign, verb=st.sampled_from((Verb.APPLY, Verb.REPLACE)))
def test_get_and_write_back_changes_nothing(document: Document, extra: Document, deep: Document, verb: Verb) -> None:
    before = stored(document)
    before.update(extra)
    part(before, "spec").update(deep)
    kind = object_of(document).kind
    shown = exposed(kind, str(part(document, "metadata")["name"]), decode(encode(before)), 12)
    one = only(shown)
    assert isinstance(one, Written)
    assert list(faults_of(one, before)) == []
    made = updated(one, before, verb)
    assert {k: v for k, v in made.items() if v is not None} == {k: v for k, v in before.items() if v is not None}
    assert one.resource_version == "12"


def test_a_field_that_nobody_knows_is_a_slip_of_the_pen() -> None:
    one = only(changed(PEER, {"spec.newField": 1}))
    assert isinstance(one, Written)
    assert [fault.where for fault in faults_of(one, None)] == ["spec.newField"]
    assert [fault.where for fault in faults_of(one, stored(PEER))] == ["spec.newField"]
    before = stored(PEER)
    part(before, "spec")["newField"] = 2
    assert list(faults_of(one, before)) == []


def test_an_export_can_be_created_elsewhere() -> None:
    shown = exposed(object_of(POOL).kind, "pods-v4", {**stored(POOL), "status": {}}, 12)
    made = exported(shown)
    assert made["metadata"] == {"name": "pods-v4"}
    assert object_of(made).spec == object_of(POOL).spec


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"spec.cidr": "10.66.0.0/16"}, "spec.cidr"),
        ({"spec.blockSize": 28}, "spec.blockSize"),
    ],
)
def test_range_and_block_size_of_a_pool_cannot_change(changes: dict[str, Json], where: str) -> None:
    before, one = stored(POOL), object_of(changed(POOL, changes))
    made = updated(one, before, Verb.REPLACE)
    assert [fault.where for fault in faults_of_update(one.kind, before, made)] == [where]


def test_a_pool_of_load_balancers_stays_one() -> None:
    before = stored(changed(POOL, {"spec.allowedUses": ["LoadBalancer"], "spec.ipipMode": None}))
    one = object_of(POOL)
    made = updated(one, before, Verb.REPLACE)
    assert [fault.where for fault in faults_of_update(one.kind, before, made)] == ["spec.allowedUses"]


def test_a_pool_may_be_flipped_to_ipip() -> None:
    before, one = stored(POOL), object_of(changed(POOL, {"spec.ipipMode": "Always"}))
    assert list(faults_of_update(one.kind, before, updated(one, before, Verb.APPLY))) == []


def test_an_old_pool_without_defaults_may_be_changed() -> None:
    before: Document = {"metadata": {"name": "pods-v4"}, "spec": {"cidr": "10.65.0.0/16"}}
    one = object_of(POOL)
    assert list(faults_of_update(one.kind, before, updated(one, before, Verb.APPLY))) == []


def test_what_is_allowed_and_without_effect_is_said() -> None:
    kind = object_of(CONFIGURATION).kind
    assert list(kind.notices("default", part(CONFIGURATION, "spec"))) == []
    assert "nobody reads it" in next(kind.notices("mine", {}))
    assert list(kind.notices("node.n1", {"asNumber": 1, "listenPort": 179})) == [
        "no effect for a single node: asNumber"
    ]


def test_a_stored_value_that_is_no_object_is_refused() -> None:
    for value in (b"[]", b"x", b""):
        with pytest.raises(ValueError):
            decode(value)


@given(anything)
def test_no_document_is_answered_with_a_traceback(document: Json) -> None:
    for one in written([("x", document)]):
        list(map(str, one.faults))
