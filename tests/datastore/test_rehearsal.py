"""Writes that only seem to be made."""

import pytest

from bgpd.datastore.rehearsal import Rehearsal
from bgpd.datastore.store import Conflict, Entry


class Keys:
    """A ``KeyStore`` that must not be written to."""

    async def get(self, key: str) -> Entry | None:
        return Entry(b"1", 7) if key == "/a" else None

    async def entries(self, prefix: str) -> dict[str, Entry]:
        return {"/a": Entry(b"1", 7)}

    async def put_if(self, key: str, value: bytes, revision: int) -> int:
        raise AssertionError(key)

    async def delete_if(self, key: str, revision: int) -> int:
        raise AssertionError(key)


async def test_what_was_written_is_read_back_and_told_but_not_made() -> None:
    rehearsal = Rehearsal(Keys())
    revision = await rehearsal.put_if("/b", b"2", 0)
    await rehearsal.put_if("/b", b"3", revision)
    await rehearsal.delete_if("/a", 7)
    assert await rehearsal.get("/a") is None
    assert {key: entry.value for key, entry in (await rehearsal.entries("/")).items()} == {"/b": b"3"}
    assert rehearsal.changes() == {"/b": "3", "/a": None}


async def test_a_write_from_another_revision_is_a_conflict() -> None:
    rehearsal = Rehearsal(Keys())
    with pytest.raises(Conflict):
        await rehearsal.put_if("/a", b"2", 6)
    with pytest.raises(Conflict):
        await rehearsal.delete_if("/b", 1)
    assert rehearsal.changes() == {}
