"""The copy of the cluster's keys on disk."""

import tracemalloc
from pathlib import Path

from bgpd.datastore.snapshot_copy import SnapshotCopy
from bgpd.datastore.store import Snapshot

SNAPSHOT = Snapshot(7, {"/calico/a": b"1", "/calico/b": b"\xff"})


def test_what_was_saved_is_loaded_and_only_ours_to_read(tmp_path: Path) -> None:
    copy = SnapshotCopy(tmp_path / "copy", "n1 /calico")
    assert copy.load() is None
    copy.save(SNAPSHOT)
    assert copy.load() == SNAPSHOT
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["copy"]


def test_the_copy_of_another_node_or_prefix_is_none(tmp_path: Path) -> None:
    SnapshotCopy(tmp_path / "copy", "n1 /calico").save(SNAPSHOT)
    assert SnapshotCopy(tmp_path / "copy", "n2 /calico").load() is None


def test_a_file_that_is_no_copy_is_none(tmp_path: Path) -> None:
    (tmp_path / "copy").write_bytes(b"\x01\x02half")
    assert SnapshotCopy(tmp_path / "copy", "n1").load() is None
    SnapshotCopy(tmp_path / "nowhere" / "copy", "n1").save(SNAPSHOT)  # is logged, and no more


def test_a_large_cluster_is_written_in_pieces_and_read_as_it_was(tmp_path: Path) -> None:
    values = {f"/calico/{number}": bytes((number & 255,)) * 5000 for number in range(4000)}
    copy = SnapshotCopy(tmp_path / "copy", "n1 /calico")
    tracemalloc.start()
    copy.save(Snapshot(7, values))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert copy.load() == Snapshot(7, values)
    assert peak < 8_000_000  # of twenty
