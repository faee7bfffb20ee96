"""The last good values of keys: what is kept for the copy, and what is taken from it."""

from bgpd.datastore.last_good import LastGood, Round


def test_the_value_before_a_bad_one_is_the_last_good_one() -> None:
    good = LastGood()
    good.changed("a", b"1")
    look = Round(good, {})
    look.is_bad("a")
    assert look.left({"a": ""}) == {"a": b"1"}
    assert good.former == {}


def test_a_good_value_between_two_looks_counts() -> None:
    good = LastGood()
    good.changed("a", b"1")
    look = Round(good, {})
    look.is_good("a", b"2")
    look.is_bad("a")
    assert look.left({"a": ""}) == {"a": b"2"}


def test_a_bad_value_after_a_bad_one_changes_nothing() -> None:
    good = LastGood()
    good.values = {"a": b"1"}
    good.changed("a", b"bad")
    look = Round(good, {"a": ""})
    look.is_bad("a")
    assert look.left({"a": ""}) == {"a": b"1"}


def test_a_key_that_was_never_good_or_is_gone_has_none() -> None:
    good = LastGood()
    good.values = {"a": b"1", "b": b"2"}
    good.changed("c", b"bad")
    look = Round(good, {"a": "", "c": ""})
    look.is_good("a", None)
    look.is_bad("a")
    look.is_bad("c")
    assert look.left({"a": "", "c": ""}) == {}


def test_a_list_is_compared_with_the_one_before() -> None:
    good = LastGood()
    good.replaced({"a": b"1", "b": b"2"}, {"a": b"bad", "b": b"2"})
    assert good.former == {"a": b"1"}


def test_a_bad_value_right_after_a_list_leaves_what_the_list_had() -> None:
    """Both are looked at in one round where the list comes just before it."""
    good = LastGood()
    good.values = {"b": b"0"}
    good.replaced({"a": b"1", "b": b"bad"}, {"a": b"2", "b": b"2"})
    good.changed("a", b"2")
    good.changed("b", b"2")
    look = Round(good, {"b": ""})
    look.are_listed({"a": b"2", "b": b"2"}, {})
    look.is_bad("a")
    look.is_bad("b")
    assert look.left({"a": "", "b": ""}) == {"a": b"2", "b": b"2"}


def test_what_a_list_has_bad_keeps_what_was_there_before() -> None:
    good = LastGood()
    good.values = {"b": b"0"}
    good.replaced({"a": b"1", "b": b"bad"}, {"a": b"bad", "b": b"worse"})
    look = Round(good, {"b": ""})
    look.are_listed({"a": b"bad", "b": b"worse"}, {"a": "", "b": ""})
    assert look.left({"a": "", "b": ""}) == {"a": b"1", "b": b"0"}


def test_what_a_run_before_had_is_put_first_and_only_if_it_can_be_used() -> None:
    taken: list[tuple[str, bytes]] = []

    def put(key: str, value: bytes) -> str | None:
        taken.append((key, value))
        return None if value == b"1" else "no number"

    look = Round(LastGood(), {})
    for key, had in (("a", b"1"), ("b", b"bad"), ("c", b"worse")):
        look.recall(key, b"bad", {key: had}, put)
    look.recall("d", b"bad", {}, put)
    assert taken == [("a", b"1"), ("a", b"bad"), ("c", b"worse")]
    assert look.left(dict.fromkeys("abcd", "")) == {"a": b"1"}
