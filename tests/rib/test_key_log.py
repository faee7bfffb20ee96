import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpd.rib.key_log import KeyLog

KEYS = [bytes((number,)) for number in range(40)]


@given(st.lists(st.sets(st.sampled_from(KEYS)), max_size=30))
def test_a_log_is_the_set_of_what_was_added_and_not_removed(changes: list[set[bytes]]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("bgpd.rib.key_log._FEW", 3)
        log, plain = KeyLog(), set[bytes]()
        for change in changes:
            log.add(list(change - plain))
            log.remove(list(change & plain))
            plain ^= change
            assert sorted(log.keys()) == sorted(plain)
            assert len(log) == len(plain)


def test_keys_stay_in_the_order_in_which_they_came() -> None:
    log = KeyLog()
    log.add([KEYS[2], KEYS[0]])
    log.add([KEYS[1]])
    log.remove([KEYS[0]])
    assert log.keys() == [KEYS[2], KEYS[1]]


def test_a_key_that_comes_and_goes_takes_no_more_room_each_time() -> None:
    log = KeyLog()
    log.add(KEYS)
    for number in range(20_000):
        log.add([number.to_bytes(4)])
        log.remove([number.to_bytes(4)])
    assert len(log._keys) < 3000
    assert len(log._gone) < 3000


def test_an_empty_log_takes_no_room() -> None:
    log = KeyLog()
    keys = [number.to_bytes(4) for number in range(20_000)]
    log.add(keys)
    log.remove(keys)
    assert sys.getsizeof(log._keys) == sys.getsizeof([])
    assert sys.getsizeof(log._gone) == sys.getsizeof(set())


def test_the_list_of_keys_is_the_callers_own() -> None:
    log = KeyLog()
    log.add(KEYS[:1])
    log.keys().clear()
    assert log.keys() == KEYS[:1]
