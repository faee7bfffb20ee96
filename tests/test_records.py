"""Records against the standard library's own: the same behaviour, compiled later."""

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, field, fields, replace
from typing import ClassVar, Protocol, cast

import pytest

from bgpd import records


class Made(Protocol):
    """What each of the classes below is called with."""

    def __call__(self, *values: object, **named: object) -> object: ...


def _plain() -> type:
    class Point:
        """With every kind of field."""

        kind: ClassVar[str] = "point"
        x: int
        y: int = 0
        names: list[str] = field(default_factory=list)
        secret: str = field(default="s", repr=False)
        note: str = field(default="", compare=False)
        total: int = field(init=False, repr=False, compare=False)
        fixed: int = field(init=False, default=7)
        made: list[int] = field(init=False, default_factory=list)

        def __post_init__(self) -> None:
            object.__setattr__(self, "total", self.x + self.y)

    return Point


def _hashable() -> type:
    class Pair:
        """With fields that have a hash."""

        left: int
        right: str = "r"

    return Pair


def _own_methods() -> type:
    class Odd:
        """With its own comparison, hash and text."""

        x: int

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 5

        def __repr__(self) -> str:
            return "odd"

    return Odd


def _own_comparison() -> type:
    class Like:  # noqa: PLW1641 - that it has no hash of its own is the case
        """With its own comparison only."""

        x: int

        def __eq__(self, other: object) -> bool:
            return True

    return Like


def _empty() -> type:
    class Nothing:
        """With no field."""

    return Nothing


PLAIN = (_plain, _hashable, _own_methods, _own_comparison, _empty)
CALLS: tuple[tuple[tuple[object, ...], dict[str, object]], ...] = (
    ((), {}),
    ((1,), {}),
    ((1, 2), {}),
    ((), {"left": 1, "right": "x"}),
    ((1,), {"y": 3, "names": ["n"], "secret": "t", "note": "u"}),
    ((1,), {"total": 9}),
    ((1, 2, 3, 4, 5, 6, 7), {}),
    ((), {"x": 4}),
)
# Of a class that has slots and no fields the standard library says TypeError, which is not what it means.
REFUSALS = (FrozenInstanceError, AttributeError, TypeError)
OPTIONS = ({"frozen": True}, {"frozen": False}, {"frozen": True, "eq": False}, {"frozen": False, "eq": False})


def _outcome(work: Callable[[], object]) -> object:
    """Return a result, or the kind of error."""
    try:
        return work()
    except Exception as error:
        return type(error)


def _behaviour(made: type) -> list[object]:
    """Return what can be seen of a class, without the objects themselves."""
    make = cast("Made", made)
    seen: list[object] = [[one.name for one in fields(made)], getattr(made, "__match_args__", None)]
    seen.append("__dict__" in dir(made))
    for values, named in CALLS:

        def instance(values: tuple[object, ...] = values, named: dict[str, object] = named) -> object:
            return make(*values, **named)

        if isinstance(_outcome(instance), type):
            seen.append(_outcome(instance))
            continue
        one, other, third = instance(), instance(), copy.deepcopy(instance())
        name = next((one.name for one in fields(made)), "x")
        seen += [
            repr(one),
            one == other,
            one == third,
            one != other,
            one == 5,
            _outcome(lambda one=one, other=other: hash(one) == hash(other)),
            _outcome(lambda one=one: asdict(one)),
            _outcome(lambda one=one, name=name: setattr(one, name, 1)) in REFUSALS,
            _outcome(lambda one=one, name=name: delattr(one, name)) in REFUSALS,
            _outcome(lambda one=one: setattr(one, "unheard_of", 1)) in REFUSALS,
        ]
        if len(fields(made)):
            seen.append(_outcome(lambda other=other, name=name: repr(replace(other, **{name: 8}))))
    return seen


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("plain", PLAIN, ids=lambda plain: plain.__name__)
def test_a_record_behaves_as_the_standard_librarys(plain: Callable[[], type], options: dict[str, bool]) -> None:
    ours = records.dataclass(slots=True, **options)(plain())
    theirs = dataclasses.dataclass(slots=True, **options)(plain())
    assert _behaviour(ours) == _behaviour(theirs)


def test_a_record_of_a_record_has_its_fields_too() -> None:
    @records.dataclass(frozen=True, slots=True)
    class Base:
        a: int

    @records.dataclass(frozen=True, slots=True)
    class Derived(Base):
        b: int = 2

    assert repr(Derived(1)).endswith("Derived(a=1, b=2)")
    assert Derived(1) == Derived(1, 2)
    assert Derived(1) != Base(1)
    assert Base(1) == Base(1)
    assert {Derived(1), Derived(1, 2)} == {Derived(1)}


def test_a_class_below_a_record_is_made_by_its_method() -> None:
    @records.dataclass(frozen=True, slots=True)
    class Base:
        a: int

    class Below(Base):
        def __init__(self) -> None:
            super().__init__(3)

    assert [Below().a, Below().a] == [3, 3]


@records.dataclass(frozen=True, slots=True)
class Kept:
    """A record that can be found by its name."""

    a: int
    b: tuple[str, ...] = ()


def test_a_record_can_be_pickled_and_copied() -> None:
    kept = Kept(1, ("x",))
    assert pickle.loads(pickle.dumps(kept)) == kept
    assert copy.copy(kept) == kept


def test_a_method_is_compiled_when_it_is_first_called() -> None:
    @records.dataclass(frozen=True, slots=True)
    class Late:
        a: int

    waiting = Late.__init__
    one = Late(1)
    assert Late.__init__ is not waiting
    assert Late.__init__.__code__.co_varnames == ("self", "a")
    waiting(one, 2)  # who holds the old one is served all the same
    assert one.a == 2


def test_other_options_are_the_standard_librarys() -> None:
    @records.dataclass(frozen=True, slots=True, order=True)
    class Ordered:
        a: int

    assert Ordered(1) < Ordered(2)


def test_compiled_methods_are_named_after_their_class() -> None:
    @records.dataclass(frozen=True, slots=True)
    class Named:
        a: int

    with pytest.raises(TypeError, match=r"Named\.__init__\(\) missing 1 required positional argument: 'a'"):
        Named()  # type: ignore[call-arg]  # that is the test
