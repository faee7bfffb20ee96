"""Regular expressions over AS paths that take time linear in the path, whatever an operator writes.

A pattern is searched in the path's text, AS numbers with a space between. What it may hold: characters, ``.``, classes
``[0-9]`` and ``[^ ]``, ``\\d``, ``\\s``, ``\\b``, groups, ``|``, ``*``, ``+``, ``?``, ``{m}``, ``{m,n}``, ``{m,}``,
``^``, ``$``, and ``_``, which as in other routers is the edge of an AS number: a space, a bracket, an end of the path.
There is no look-around and no reference back: those are what needs more than one pass over the text.

The pattern becomes an automaton (Thompson), whose sets of states are met one character at a time and remembered: each
character of a path costs one dictionary look-up once the sets are known. There can be as many sets as there are subsets
of states, so what is remembered is bounded in octets.
"""

from collections.abc import Iterator
from functools import lru_cache
from sys import getsizeof
from typing import Final

from bgpd.records import dataclass

MOST_REMEMBERED: Final = 1 << 20
"""Octets of steps that a pattern remembers, then it starts again: a peer chooses the paths, and with them the sets."""
_STEP: Final = 256  # octets of a remembered step beside its set of states: its key and its place in the table
_ALPHABET: Final = "0123456789 {}()[],"  # what the text of a path is made of
_DIGITS: Final = frozenset("0123456789")
_EDGES: Final = frozenset(" {}()[],")
_ALL: Final = frozenset(_ALPHABET)
_MAX_REPEAT: Final = 255
_MAX_STATES: Final = 20_000
_MAX_DEPTH: Final = 50  # groups in one another
_ESCAPES: Final = {"d": _DIGITS, "D": _ALL - _DIGITS, "s": frozenset(" "), "S": _ALL - {" "}}

_Node = tuple[object, ...]


@dataclass(slots=True)
class _State:
    """One state. takes: the characters that lead to ``after``; else assertion: what must hold to go there for free.

    assertion: ``^`` at the start, ``$`` at the end, ``b`` at a boundary of a number, empty = nothing.
    """

    takes: frozenset[str] | None
    assertion: str
    after: tuple[int, ...]


class AsPathPattern:
    """A pattern that was found good."""

    __slots__ = ("_accept", "_known", "_remembered", "_start", "_states")

    def __init__(self, text: str) -> None:
        """Raises ValueError for what is not understood, with the place."""
        builder = _Builder()
        self._accept = builder.add(None, "", ())
        self._start = builder.build(_Parser(text).parse(), self._accept)
        self._states = builder.states
        self._known: dict[tuple[frozenset[int], str, str], frozenset[int]] = {}
        self._remembered = 0  # octets

    def search(self, text: str) -> bool:
        """Is the pattern found in the text of a path?"""
        start = frozenset((self._start,))
        now: frozenset[int] = frozenset()
        before = "^"
        known = self._known
        for character in (*text, "$"):
            key = (now, before, character)
            after = known.get(key)
            if after is None:
                after = self._step(now | start, before, character)
                self._remember(key, after)
            if self._accept in after:
                return True
            now, before = after, character
        return False

    def _remember(self, key: tuple[frozenset[int], str, str], after: frozenset[int]) -> None:
        self._remembered += getsizeof(after) + _STEP
        if self._remembered > MOST_REMEMBERED:
            self._known.clear()
            self._remembered = getsizeof(after) + _STEP
        self._known[key] = after

    def _step(self, states: frozenset[int], before: str, character: str) -> frozenset[int]:
        """Return what one character leads to; with the accepting state if that was reached without it."""
        reached: set[int] = set()
        waiting = list(states)
        seen: set[int] = set()
        while waiting:
            place = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            state = self._states[place]
            if place == self._accept:
                return frozenset((place,))
            if state.takes is not None:
                if character in state.takes:
                    reached.update(state.after)
            elif _holds(state.assertion, before, character):
                waiting.extend(state.after)
        return frozenset(reached)


@lru_cache(maxsize=512)
def as_path_pattern(text: str) -> AsPathPattern:
    """Return the pattern. Raises ValueError for what is not understood, with the place."""
    return AsPathPattern(text)


def _holds(assertion: str, before: str, character: str) -> bool:
    """Does the assertion hold between two characters? ``^`` and ``$`` stand for the ends of the text."""
    if assertion == "^":
        return before == "^"
    if assertion == "$":
        return character == "$"
    if assertion == "b":
        return (before in _DIGITS) is not (character in _DIGITS)
    return True


class _Parser:
    """Reads a pattern into nodes.

    ("take", characters), ("at", assertion), ("all", nodes…), ("any", nodes…), ("times", node, least, most or None).
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def parse(self) -> _Node:
        """Return the whole pattern. Raises ValueError."""
        if not self._text:
            raise ValueError("it is empty")
        node = self._choice()
        if self._at < len(self._text):
            raise self._fault("a ) without its (")
        return node

    def _fault(self, why: str) -> ValueError:
        return ValueError(f"{why}, at character {self._at + 1}")

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _choice(self) -> _Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._fault(f"more than {_MAX_DEPTH} groups in one another")
        branches = [self._run()]
        while self._peek() == "|":
            self._at += 1
            branches.append(self._run())
        self._depth -= 1
        return branches[0] if len(branches) == 1 else ("any", *branches)

    def _run(self) -> _Node:
        parts: list[_Node] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom()))
        return ("all", *parts)

    def _repeated(self, node: _Node) -> _Node:
        is_repeated = False
        while True:
            sign = self._peek()
            if sign not in ("*", "+", "?", "{") or (sign == "{" and not self._is_count()):
                return node
            if is_repeated:
                raise self._fault(f"{sign} behind another repetition")
            is_repeated = True
            if sign == "{":
                least, most = self._count()
            else:
                self._at += 1
                least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
            node = ("times", node, least, most)

    def _is_count(self) -> bool:
        """Is the brace the beginning of a count, and not that of an AS set?"""
        body, closing, _ = self._text[self._at + 1 :].partition("}")
        return bool(closing) and bool(body) and all(one.isdigit() or one == "," for one in body) and body[0] != ","

    def _count(self) -> tuple[int, int | None]:
        stop = self._text.index("}", self._at)
        low, comma, high = self._text[self._at + 1 : stop].partition(",")
        if "," in high:
            raise self._fault("a count is {m}, {m,n} or {m,}")
        least = int(low)
        most = (int(high) if high else None) if comma else least
        if least > _MAX_REPEAT or (most or 0) > _MAX_REPEAT:
            raise self._fault(f"a count is at most {_MAX_REPEAT}")
        if most is not None and most < least:
            raise self._fault(f"a count from {least} to {most}")
        self._at = stop + 1
        return least, most

    def _atom(self) -> _Node:
        sign = self._peek()
        if sign in ("*", "+", "?"):
            raise self._fault(f"nothing to repeat before {sign}")
        if sign == "(":
            return self._group()
        if sign == "[":
            return ("take", self._class())
        if sign == "\\":
            return self._escape()
        self._at += 1
        if sign in ("^", "$"):
            return ("at", sign)
        if sign == "_":
            return ("any", ("at", "^"), ("at", "$"), ("take", _EDGES))
        return ("take", _ALL if sign == "." else frozenset(sign) & _ALL)

    def _group(self) -> _Node:
        opened = self._at
        self._at += 1
        if self._peek() == "?":
            if self._text[self._at : self._at + 2] != "?:":
                raise self._fault("look-around, names and flags are not available")
            self._at += 2
        node = self._choice()
        if self._peek() != ")":
            self._at = opened
            raise self._fault("a ( without its )")
        self._at += 1
        return node

    def _escape(self) -> _Node:
        sign = self._text[self._at + 1 : self._at + 2]
        if not sign:
            raise self._fault("a \\ at the end")
        if sign == "b":
            self._at += 2
            return ("at", "b")
        if sign in _ESCAPES:
            self._at += 2
            return ("take", _ESCAPES[sign])
        if sign.isalnum():
            raise self._fault(f"\\{sign} is not available")
        self._at += 2
        return ("take", frozenset(sign) & _ALL)

    def _class(self) -> frozenset[str]:
        opened = self._at
        self._at += 1
        is_opposite = self._peek() == "^"
        self._at += is_opposite
        members: set[str] = set()
        is_first = True
        while self._peek() != "]" or is_first:
            members |= self._class_member(opened)
            is_first = False
        self._at += 1
        return _ALL - members if is_opposite else frozenset(members)

    def _class_member(self, opened: int) -> frozenset[str]:
        sign = self._peek()
        if not sign:
            self._at = opened
            raise self._fault("a [ without its ]")
        if sign == "\\":
            escaped = self._text[self._at + 1 : self._at + 2]
            self._at += 2
            if escaped in _ESCAPES:
                return _ESCAPES[escaped]
            sign = escaped
        else:
            self._at += 1
        last = self._text[self._at + 1 : self._at + 2]
        if self._peek() != "-" or last in ("", "]"):
            return frozenset(sign) & _ALL
        if last < sign:
            raise self._fault(f"a class from {sign} to {last}")
        self._at += 2
        return frozenset(one for one in _ALPHABET if sign <= one <= last)


class _Builder:
    """Turns nodes into states, from the end to the beginning: each part is told what comes after it."""

    def __init__(self) -> None:
        self.states: list[_State] = []

    def add(self, takes: frozenset[str] | None, assertion: str, after: tuple[int, ...]) -> int:
        """Add a state and return its place. Raises ValueError."""
        if len(self.states) >= _MAX_STATES:
            raise ValueError("it is too large: its counts multiply")
        self.states.append(_State(takes, assertion, after))
        return len(self.states) - 1

    def build(self, node: _Node, after: int) -> int:
        """Return the state that a node begins with. Raises ValueError."""
        kind = node[0]
        if kind == "take":
            takes = node[1]
            assert isinstance(takes, frozenset)
            return self.add(takes, "", (after,))
        if kind == "at":
            return self.add(None, str(node[1]), (after,))
        if kind == "any":
            return self.add(None, "", tuple(self.build(branch, after) for branch in _inner(node)))
        if kind == "all":
            for part in reversed(tuple(_inner(node))):
                after = self.build(part, after)
            return after
        inner, least, most = node[1:]
        assert isinstance(inner, tuple)
        assert isinstance(least, int)
        if most is None:
            loop = self.add(None, "", ())
            self.states[loop].after = (self.build(inner, loop), after)
            after = loop
        else:
            assert isinstance(most, int)
            leave = after
            for _ in range(most - least):
                after = self.add(None, "", (self.build(inner, after), leave))
        for _ in range(least):
            after = self.build(inner, after)
        return after


def _inner(node: _Node) -> Iterator[_Node]:
    for part in node[1:]:
        assert isinstance(part, tuple)
        yield part
