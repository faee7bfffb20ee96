"""``dataclass`` as the standard library has it, but a record's methods are compiled when they are first called.

The standard library writes and compiles up to six methods while it defines a class, which takes half a millisecond:
with our two hundred records that was a third of the daemon's start, and a run makes instances of fewer than half of
them. Fields and slots are still the standard library's, so ``replace``, ``fields`` and ``asdict`` work as ever, and
the type checker sees nothing but its decorator.

Records without slots, and those with other options than frozen, slots and eq, are left to the standard library.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from reprlib import recursive_repr
from types import FunctionType
from typing import TYPE_CHECKING, Final, NoReturn

_Source = tuple[str, dict[str, object]]  # of a method, and what its names mean

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(**options: bool) -> Callable[[type], type]:
        """Return the decorator that makes a record of a class."""
        if not options.get("slots") or not options.keys() <= {"frozen", "slots", "eq"}:
            return dataclasses.dataclass(**options)
        is_frozen, is_compared = options.get("frozen", False), options.get("eq", True)
        return lambda plain: _record(plain, is_frozen=is_frozen, is_compared=is_compared)


_with_fields: Final = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)


def _record(plain: type, *, is_frozen: bool, is_compared: bool) -> type:
    written: Mapping[str, object] = plain.__dict__
    record: type = _with_fields(plain)
    methods: dict[str, object] = {
        "__init__": _deferred(record, "__init__", _frozen_init if is_frozen else _init),
        "__repr__": _repr,
    }
    if is_frozen:
        methods |= {"__getstate__": _get_state, "__setstate__": _set_state}
        methods |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
    if is_compared:
        methods["__eq__"] = _deferred(record, "__eq__", _eq)
        methods["__hash__"] = _deferred(record, "__hash__", _hash) if is_frozen else None
    for name, method in methods.items():
        if written.get(name) is None:  # a class that has its own __eq__ only has None for a hash
            setattr(record, name, method)
    return record


def _deferred(record: type, name: str, source: Callable[[type], _Source]) -> Callable[..., object]:
    """Return a method that takes the compiled one's place until it is called."""

    def method(self: object, *values: object, **named: object) -> object:
        text, scope = source(record)
        exec(text, scope)
        compiled = scope[name]
        assert isinstance(compiled, FunctionType)
        compiled.__module__, compiled.__qualname__ = record.__module__, f"{record.__qualname__}.{name}"
        setattr(record, name, compiled)
        return compiled(self, *values, **named)

    return method


def _init(record: type) -> _Source:
    return _init_storing(record, "self.{0} = {1}")


def _frozen_init(record: type) -> _Source:
    return _init_storing(record, "_store(self, '{0}', {1})")


def _init_storing(record: type, statement: str) -> _Source:
    parameters = ["self"]
    lines = list[str]()
    scope: dict[str, object] = {"_store": object.__setattr__, "_missing": MISSING}
    for field in fields(record):
        name = field.name
        value = name
        if field.default_factory is not MISSING:
            scope[f"_make_{name}"] = field.default_factory
            value = f"_make_{name}() if {name} is _missing else {name}" if field.init else f"_make_{name}()"
        default = "_missing" if field.default_factory is not MISSING else f"_default_{name}"
        if field.default is not MISSING:
            scope[default] = field.default
            value = value if field.init else default
        has_default = field.default is not MISSING or field.default_factory is not MISSING
        if field.init:
            parameters.append(f"{name}={default}" if has_default else name)
        if field.init or has_default:
            lines.append(statement.format(name, value))
    if hasattr(record, "__post_init__"):
        lines.append("self.__post_init__()")
    return _function("__init__", parameters, lines or ["pass"]), scope


def _eq(record: type) -> _Source:
    names = _compared(record)
    lines = [
        "if other.__class__ is not self.__class__:",
        "    return NotImplemented",
        f"return {_tuple('self', names)} == {_tuple('other', names)}",
    ]
    return _function("__eq__", ["self", "other"], lines), {}


def _hash(record: type) -> _Source:
    return _function("__hash__", ["self"], [f"return hash({_tuple('self', _compared(record))})"]), {}


def _compared(record: type) -> list[str]:
    return [field.name for field in fields(record) if field.compare]


def _tuple(owner: str, names: list[str]) -> str:
    return f"({''.join(f'{owner}.{name}, ' for name in names)})"


def _function(name: str, parameters: list[str], lines: list[str]) -> str:
    body = "".join(f"\n    {line}" for line in lines)
    return f"def {name}({', '.join(parameters)}):{body}"


def _fields_of(self: object) -> tuple[Field[object], ...]:
    record: type = type(self)
    return fields(record)


@recursive_repr()
def _repr(self: object) -> str:
    shown = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in _fields_of(self) if field.repr)
    return f"{type(self).__qualname__}({shown})"


def _refuse_to_set(_: object, name: str, __: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _get_state(self: object) -> list[object]:
    return [getattr(self, field.name) for field in _fields_of(self)]


def _set_state(self: object, state: list[object]) -> None:
    for field, value in zip(_fields_of(self), state, strict=True):
        object.__setattr__(self, field.name, value)
