"""Conditional writes: what happens when somebody else is quicker."""

import pytest

from bgpd.datastore.object_store import ATTEMPTS, ObjectRefusal, ObjectStore
from bgpd.datastore.resources.kinds import BGP_CONFIGURATION, IP_POOL
from bgpd.datastore.resources.shapes import part
from bgpd.datastore.resources.writing import Birth, Verb, decode, encode
from tests.support.key_store import Memory, once
from tests.support.resources import POOL, changed, object_of

BIRTH = Birth("u", "2026-01-05T10:00:00Z")
KEY = "/calico/resources/v3/projectcalico.org/ippools/pods-v4"


async def test_an_object_that_changes_meanwhile_is_read_again_and_keeps_what_the_other_wrote() -> None:
    memory = Memory()
    store = ObjectStore(memory, "/calico")
    await store.write(object_of(POOL), Verb.CREATE, BIRTH)
    document = decode(memory.values[KEY].value)
    part(document, "spec")["novel"] = 1
    raced = Memory(once(KEY, encode(document)))
    raced.values, raced.revision = dict(memory.values), memory.revision
    file = changed(POOL, {"spec.ipipMode": "Always"})
    assert await ObjectStore(raced, "/calico").write(object_of(file), Verb.APPLY, BIRTH)
    spec = part(decode(raced.values[KEY].value), "spec")
    assert (spec["ipipMode"], spec["novel"]) == ("Always", 1)


async def test_of_two_who_create_an_object_one_is_refused() -> None:
    memory = Memory(once(KEY, b'{"spec":{"cidr":"10.65.0.0/16"}}'))
    with pytest.raises(ObjectRefusal, match="there is one already"):
        await ObjectStore(memory, "/calico").write(object_of(POOL), Verb.CREATE, BIRTH)


async def test_a_file_of_a_revision_is_not_tried_again() -> None:
    memory = Memory()
    store = ObjectStore(memory, "/calico")
    await store.write(object_of(POOL), Verb.CREATE, BIRTH)
    raced = Memory(once(KEY, memory.values[KEY].value))
    raced.values, raced.revision = dict(memory.values), memory.revision
    file = changed(POOL, {"metadata.resourceVersion": "1", "spec.disabled": True})
    with pytest.raises(ObjectRefusal, match="expected 2, found 1"):
        await ObjectStore(raced, "/calico").write(object_of(file), Verb.REPLACE, BIRTH)


async def test_who_is_never_quick_enough_is_told() -> None:
    tries: list[int] = []

    def always(memory: Memory) -> None:
        tries.append(1)
        memory.put(KEY, b'{"spec":{"cidr":"10.65.0.0/16"}}')

    memory = Memory(always)
    memory.put(KEY, b'{"spec":{"cidr":"10.65.0.0/16"}}')
    with pytest.raises(ObjectRefusal, match="others keep changing it"):
        await ObjectStore(memory, "/calico").write(object_of(POOL), Verb.APPLY, BIRTH)
    assert len(tries) == ATTEMPTS


async def test_what_is_as_it_should_be_is_not_written() -> None:
    memory = Memory()
    store = ObjectStore(memory, "/calico")
    assert await store.write(object_of(POOL), Verb.APPLY, BIRTH)
    assert not await store.write(object_of(POOL), Verb.APPLY, BIRTH)
    assert memory.revision == 1


async def test_an_edit_touches_its_field_alone() -> None:
    memory = Memory()
    key = BGP_CONFIGURATION.key("/calico", "default")
    memory.put(key, b'{"spec":{"listenPort":1179,"novel":[1]},"novel":2}')
    store = ObjectStore(memory, "/calico")
    await store.edit(BGP_CONFIGURATION, "default", lambda spec: {**spec, "asNumber": 64999}, BIRTH)
    assert decode(memory.values[key].value) == {
        "spec": {"listenPort": 1179, "novel": [1], "asNumber": 64999},
        "novel": 2,
    }
    with pytest.raises(ObjectRefusal, match="expected an AS number"):
        await store.edit(BGP_CONFIGURATION, "default", lambda spec: {**spec, "asNumber": "x"}, BIRTH)


async def test_values_that_are_no_objects_are_named_and_the_others_listed() -> None:
    memory = Memory()
    memory.put(IP_POOL.key("/calico", "a"), b"secret")
    memory.put(IP_POOL.key("/calico", "b"), b"{}")
    found, unreadable = await ObjectStore(memory, "/calico").all_of(IP_POOL)
    assert [one.name for one in found] == ["b"]
    assert len(unreadable) == 1
    assert "secret" not in unreadable[0]
