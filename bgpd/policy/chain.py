"""Policies in order, as one decision about a route: accepted or not, with which attributes, by which rule.

Rules are asked in order, policies too. A rule whose conditions all hold makes its changes; ``accept`` and ``reject``
then end the whole decision, ``next`` goes on with the next rule, which sees the changed route. A policy that comes to
its end does its default, ``next`` being the next policy; behind the last one stands ``final``.

A path serves many prefixes, so ``for_path`` asks once what does not depend on the prefix. Prefixes that its rules
cannot tell apart get the same Verdict, and with it the same attributes object.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bgpd.families import Family
from bgpd.messages.attributes.model import Attributes
from bgpd.policy.changes import apply
from bgpd.policy.conditions import (
    AttributesTest,
    PrefixTest,
    attribute_tests,
    concerns,
    holds,
    prefix_test,
)
from bgpd.policy.rules import ALWAYS, NO_CHANGES, Action, Changes, Comparison, Conditions, Policy, Rule, Span
from bgpd.policy.subject import PeerContext
from bgpd.rib.path import Path

_MEMO: Final = 256  # paths whose judges are kept

_Question = tuple[Path, Attributes, PeerContext, str]
_PrefixQuestion = tuple[tuple[tuple[Family, bytes], ...], Comparison, Span | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about one route.

    attributes: the same object as asked about if nothing changed. rule: which rule decided, for people:
    ``only-pods rule 1``, ``only-pods default``.
    """

    accepted: bool
    attributes: Attributes
    rule: str


@dataclass(frozen=True, slots=True)
class _Step:
    """A rule, or a policy's default, for one family. test: place of its prefix test in the list, -1 = asks none."""

    label: str
    action: Action
    conditions: Conditions
    attribute_tests: tuple[AttributesTest, ...]
    test: int
    changes: Changes


@dataclass(frozen=True, slots=True)
class _Program:
    """All steps for one family, and the prefix tests that they share."""

    steps: tuple[_Step, ...]
    tests: tuple[PrefixTest, ...]


class Chain:
    """Import or export policies of a peer, in order. final: what happens to a route that nothing decided.

    looks_at_prefix: can two prefixes of one path be decided differently? looks_at_interface: does it ask for the
    interface's name? has_policies: without any, all routes are ``final``, unchanged, and need not be asked about.
    """

    __slots__ = (
        "_asked", "_final", "_judges", "_last", "_policies", "_programs",
        "has_policies", "looks_at_interface", "looks_at_prefix",
    )  # fmt: skip

    def __init__(self, policies: Sequence[Policy], *, final: bool = True) -> None:
        self._policies = tuple(policies)
        self.has_policies = bool(policies)
        self._final = final
        self._programs: dict[Family, _Program] = {}
        self._judges: dict[_Question, PathJudge] = {}
        self._asked: _Question | None = None  # and who answered it: prefixes of one path come one after the other
        self._last: PathJudge | None = None
        asked = [rule.conditions for policy in policies for rule in policy.rules]
        self.looks_at_prefix = any(one.prefixes or one.length is not None for one in asked)
        self.looks_at_interface = any(one.interface for one in asked)

    def judge(
        self, path: Path, attributes: Attributes, prefix: bytes, peer: PeerContext, interface_name: str = ""
    ) -> Verdict:
        """Return the decision about a prefix of the path; attributes: as they are now, the path's own or changed ones.

        interface_name: what the route leaves by, empty = none or not known.
        """
        if not self.looks_at_prefix:  # then callers ask once for each path, and there is nothing to keep
            return self.for_path(path, attributes, peer, interface_name).judge(prefix)
        asked, judge = self._asked, self._last
        if (
            asked is None
            or judge is None
            or asked[0] is not path
            or asked[1] is not attributes
            or asked[2] is not peer
            or asked[3] != interface_name
        ):
            asked = (path, attributes, peer, interface_name)
            judge = self._judges.get(asked)
            if judge is None:
                if len(self._judges) >= _MEMO:
                    self._judges.clear()
                judge = self._judges[asked] = self.for_path(path, attributes, peer, interface_name)
            self._asked, self._last = asked, judge
        return judge.judge(prefix)

    def for_path(self, path: Path, attributes: Attributes, peer: PeerContext, interface_name: str = "") -> "PathJudge":
        """Return what decides about prefixes of one path."""
        program = self._programs.get(path.family)
        if program is None:
            program = self._programs[path.family] = _compile(self._policies, path.family)
        steps = [step for step in program.steps if holds(step.conditions, path, peer, interface_name)]
        return PathJudge(steps, program.tests, attributes, path.family, self._final, bool(self._policies))


class PathJudge:
    """A chain's decisions about the prefixes of one path towards one peer."""

    __slots__ = ("_attributes", "_family", "_final", "_has_policies", "_steps", "_tests", "_verdicts")

    def __init__(
        self,
        steps: Sequence[_Step],
        tests: tuple[PrefixTest, ...],
        attributes: Attributes,
        family: Family,
        final: bool,
        has_policies: bool,
    ) -> None:
        used = sorted({step.test for step in steps} - {-1})
        self._tests = tuple(tests[place] for place in used)
        self._steps = tuple((step, used.index(step.test) if step.test >= 0 else -1) for step in steps)
        self._attributes = attributes
        self._family = family
        self._final = final
        self._has_policies = has_policies
        self._verdicts: dict[tuple[bool, ...], Verdict] = {}

    def judge(self, prefix: bytes) -> Verdict:
        """Return the decision about one prefix."""
        answers = tuple([test(prefix) for test in self._tests])
        verdict = self._verdicts.get(answers)
        if verdict is None:
            verdict = self._verdicts[answers] = self._decide(answers)
        return verdict

    def _decide(self, answers: tuple[bool, ...]) -> Verdict:
        attributes = self._attributes
        for step, place in self._steps:
            if place >= 0 and not answers[place]:
                continue
            if not all(test(attributes) for test in step.attribute_tests):
                continue
            if step.action is Action.REJECT:
                return Verdict(False, attributes, step.label)
            attributes = apply(step.changes, attributes, self._family)
            if step.action is Action.ACCEPT:
                return Verdict(True, attributes, step.label)
        return Verdict(self._final, attributes, "end of policies" if self._has_policies else "no policy")


def _compile(policies: tuple[Policy, ...], family: Family) -> _Program:
    """Return the policies' steps for one family; a default that decides is a step without conditions."""
    tests: list[PrefixTest] = []
    places: dict[_PrefixQuestion, int] = {}
    steps: list[_Step] = []
    for policy in policies:
        steps += [
            _step(policy, rule, family, tests, places) for rule in policy.rules if concerns(rule.conditions, family)
        ]
        if policy.default is not Action.NEXT:
            steps.append(_Step(f"{policy.name} default", policy.default, ALWAYS, (), -1, NO_CHANGES))
            break  # nothing behind it is ever asked
    return _Program(tuple(steps), tuple(tests))


def _step(
    policy: Policy, rule: Rule, family: Family, tests: list[PrefixTest], places: dict[_PrefixQuestion, int]
) -> _Step:
    """Return a rule's step; its prefix test is added to tests unless an earlier rule asks the same."""
    conditions = rule.conditions
    question = (conditions.prefixes, conditions.comparison, conditions.length)
    test = prefix_test(conditions, family)
    place = -1
    if test is not None:
        place = places.setdefault(question, len(tests))
        if place == len(tests):
            tests.append(test)
    label = f"{policy.name} {rule.name}"
    return _Step(label, rule.action, conditions, attribute_tests(conditions), place, rule.changes)
