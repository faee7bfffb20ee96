"""Selectors: expressions over the labels of a node, compiled to a function.

Comparisons: ``a == 'x'``, ``a != 'x'``, ``a in {'x', 'y'}``, ``a not in {…}``, ``a contains 's'``, ``a starts with
's'``, ``a ends with 's'``, ``has(a)``; and ``all()``, ``global()``, which every node matches. ``!`` binds tighter than
``&&``, that tighter than ``||``; parentheses as usual. Without the label ``!=`` and ``not in`` are true, all others
false.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

Labels = Mapping[str, str]
Selector = Callable[[Labels], bool]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'[^']*'|\"[^\"]*\")|(?P<mark>==|!=|&&|\|\||[!(){},])|(?P<word>[A-Za-z0-9_./-]+))"
)
_DEEPEST: Final = 50  # parentheses and negations inside each other


class SelectorError(ValueError):
    """An expression that is no selector."""


@lru_cache(maxsize=1024)
def compiled(text: str) -> Selector:
    """Return the function that says whether labels match. Raises SelectorError."""
    parser = _Parser(text)
    selector = parser.either(0)
    if parser.kind:
        raise SelectorError(f"expected an operator or the end at character {parser.start + 1}")
    return selector


class _Parser:
    """Reads tokens; kind: of the present one, text, mark or word, empty = at the end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = 0
        self.start = 0
        self.kind = self.token = ""
        self._next()

    def either(self, depth: int) -> Selector:
        """Read alternatives."""
        parts = [self._both(depth)]
        while self._takes("||"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else lambda labels: any(part(labels) for part in parts)

    def _both(self, depth: int) -> Selector:
        parts = [self._one(depth)]
        while self._takes("&&"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else lambda labels: all(part(labels) for part in parts)

    def _one(self, depth: int) -> Selector:
        if depth > _DEEPEST:
            raise SelectorError("nested too deeply")
        if self._takes("!"):
            negated = self._one(depth + 1)
            return lambda labels: not negated(labels)
        if self._takes("("):
            inner = self.either(depth + 1)
            self._expect(")")
            return inner
        name = self._word("a label")
        if self._takes("("):
            return self._function(name)
        return self._comparison(name)

    def _function(self, name: str) -> Selector:
        if name in ("all", "global"):
            self._expect(")")
            return lambda _: True
        if name != "has":
            raise SelectorError("expected has(), all() or global()")
        label = self._word("a label")
        self._expect(")")
        return lambda labels: label in labels

    def _comparison(self, label: str) -> Selector:
        if self._takes("=="):
            wanted = self._string()
            return lambda labels: labels.get(label) == wanted
        if self._takes("!="):
            unwanted = self._string()
            return lambda labels: labels.get(label) != unwanted
        match self._word("an operator"):
            case "in":
                members = self._set()
                return lambda labels: labels.get(label) in members
            case "not":
                self._keyword("in")
                others = self._set()
                return lambda labels: labels.get(label) not in others
            case "contains":
                part = self._string()
                return lambda labels: label in labels and part in labels[label]
            case "starts":
                self._keyword("with")
                head = self._string()
                return lambda labels: label in labels and labels[label].startswith(head)
            case "ends":
                self._keyword("with")
                tail = self._string()
                return lambda labels: label in labels and labels[label].endswith(tail)
        raise SelectorError(f"expected an operator before character {self.start + 1}")

    def _set(self) -> frozenset[str]:
        self._expect("{")
        members: set[str] = set()
        while not self._takes("}"):
            if members:
                self._expect(",")
            members.add(self._string())
        return frozenset(members)

    def _string(self) -> str:
        if self.kind != "text":
            raise SelectorError(f"expected a quoted text at character {self.start + 1}")
        value = self.token[1:-1]
        self._next()
        return value

    def _word(self, what: str) -> str:
        if self.kind != "word":
            raise SelectorError(f"expected {what} at character {self.start + 1}")
        value = self.token
        self._next()
        return value

    def _keyword(self, word: str) -> None:
        if self._word(f'"{word}"') != word:
            raise SelectorError(f'expected "{word}" before character {self.start + 1}')

    def _expect(self, mark: str) -> None:
        if not self._takes(mark):
            raise SelectorError(f'expected "{mark}" at character {self.start + 1}')

    def _takes(self, mark: str) -> bool:
        if self.kind != "mark" or self.token != mark:
            return False
        self._next()
        return True

    def _next(self) -> None:
        found = _TOKEN.match(self._text, self._end)
        if found is None:
            rest = self._text[self._end :]
            self.start = self._end + len(rest) - len(rest.lstrip())
            if self.start < len(self._text):
                raise SelectorError(f"unexpected character {self.start + 1}")
            self.kind = self.token = ""
            return
        self.kind = found.lastgroup or ""
        self.token, self.start, self._end = found[self.kind], found.start(self.kind), found.end()
