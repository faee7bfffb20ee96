"""The census of objects: it counts what is reachable, and sees what a session would leave."""

from conformance.soak import census


class _Session:
    """What a leak keeps."""

    def __init__(self, number: int) -> None:
        self.octets = number.to_bytes(4) * 500


def test_everything_that_can_be_reached_is_counted_once() -> None:
    shared = [1.5, 2.5]
    found = census.take([shared, {"a": shared, "b": (shared,)}])
    assert found["builtins.list"][0] == 1
    assert found["builtins.dict"][0] == 1
    assert found["builtins.float"][0] == 2


def test_equal_octets_count_once() -> None:
    assert census.take([[bytes([1, 2]), bytes([1, 2]), bytes([3, 4])]])["builtins.bytes"][0] == 2


def test_room_in_a_table_is_not_counted() -> None:
    grown = dict.fromkeys(range(1000))
    for number in range(10, 1000):
        del grown[number]
    fresh = dict.fromkeys(range(10))
    assert census.octets(census.take([grown])) == census.octets(census.take([fresh]))


def test_what_sessions_leave_is_named() -> None:
    kept = [_Session(number) for number in range(11)]
    before, after = census.take(kept[:1]), census.take(kept)
    assert census.octets(after) - census.octets(before) > 10 * 2000
    assert any("_Session: +10 objects" in line for line in census.grown(before, after))
