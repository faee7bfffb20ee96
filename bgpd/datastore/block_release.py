"""Takes blocks away from their nodes, as Calico's IPAM does when a pool or a node goes.

Per block: the affinity is marked ``pendingDeletion``, so that nobody takes addresses from it any more; a block without
addresses in use is deleted, any other one belongs to nobody from then on; then the affinity goes. Each step is written
only if nobody else changed the key meanwhile; one that was is looked at again.
"""

from collections.abc import Callable
from typing import Final, Protocol

from bgpd.datastore.resources.shapes import Document
from bgpd.datastore.resources.usage import DIRECTORY, block_of_key
from bgpd.datastore.resources.values import Network
from bgpd.datastore.resources.writing import decode, encode
from bgpd.datastore.store import Conflict, Entry

ATTEMPTS: Final = 8
_PENDING_DELETION: Final = "pendingDeletion"


class BlockKeys(Protocol):
    """What is asked of etcd. Raises StoreError."""

    async def get(self, key: str) -> Entry | None: ...
    async def entries(self, prefix: str) -> dict[str, Entry]: ...
    async def put_if(self, key: str, value: bytes, revision: int) -> int: ...
    async def delete_if(self, key: str, revision: int) -> int: ...


async def release_blocks(keys: BlockKeys, prefix: str, chosen: Callable[[Network, str], bool]) -> None:
    """Release the blocks (range, node) that are chosen. Raises Conflict."""
    root = f"{prefix.rstrip('/')}/{DIRECTORY}"
    for key in sorted(await keys.entries(f"{root}host/")):
        found = block_of_key(key, prefix)
        if found is not None and chosen(*found):
            block = key.removeprefix(f"{root}host/{found[1]}/")
            await _release(keys, key, f"{root}assignment/{block}", found[1])


async def _release(keys: BlockKeys, affinity_key: str, block_key: str, node: str) -> None:
    for _ in range(ATTEMPTS):
        affinity = await keys.get(affinity_key)
        if affinity is None:
            return
        try:
            revision = affinity.revision
            document = _document(affinity)
            if document.get("state") != _PENDING_DELETION:
                marked: Document = {**document, "state": _PENDING_DELETION}
                revision = await keys.put_if(affinity_key, encode(marked), revision)
            await _let_go(keys, block_key, node)
            await keys.delete_if(affinity_key, revision)
        except Conflict:
            continue
        return
    raise Conflict(f"{affinity_key}: others keep changing it", "try again")


async def _let_go(keys: BlockKeys, key: str, node: str) -> None:
    """Delete a block of the node without addresses in use, else make it nobody's."""
    block = await keys.get(key)
    if block is None:
        return
    document = _document(block)
    if document.get("affinity") not in (None, f"host:{node}"):
        return  # it is another's already
    allocations = document.get("allocations")
    if isinstance(allocations, list) and any(one is not None for one in allocations):
        await keys.put_if(key, encode({**document, "affinity": None}), block.revision)
    else:
        await keys.delete_if(key, block.revision)


def _document(entry: Entry) -> Document:
    try:
        return decode(entry.value)
    except ValueError:
        return {}
