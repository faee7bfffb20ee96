"""Policies in order, as one decision about a route: accepted or not, with which attributes, by which rule.

Rules are asked in order, policies too. A rule whose conditions all hold makes its changes; ``accept`` and ``reject``
then end the whole decision, ``next`` goes on with the next rule, which sees the changed route. A policy that comes to
its end does its default, ``next`` being the next policy; behind the last one stands ``final``.

A path serves many prefixes, so ``for_path`` works out once what does not depend on the prefix: what is left is a tree
of prefix tests with a Verdict at each leaf, built as far as prefixes come by. A path that no prefix rule concerns is a
leaf by itself. Prefixes that the rules cannot tell apart get the same Verdict, and with it the same attributes object.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from bgpd.families import Family
from bgpd.messages.attributes.model import Attributes
from bgpd.policy.changes import apply, settles
from bgpd.policy.conditions import (
    AttributeTest,
    ContextTest,
    Subject,
    attribute_tests,
    concerns,
    context_tests,
    prefix_test,
)
from bgpd.policy.rules import ALWAYS, NO_CHANGES, Action, Changes, Comparison, Conditions, Policy, Rule
from bgpd.policy.sets import PrefixSet, PrefixTest, Span
from bgpd.policy.subject import PeerContext
from bgpd.records import dataclass
from bgpd.rib.export import Settled
from bgpd.rib.path import Path

_MEMO: Final = 256  # paths whose judges are kept

_Question = tuple[Path, Attributes, PeerContext, str]
_PrefixQuestion = tuple[tuple[PrefixSet, ...], Comparison, Span | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about one route.

    attributes: the same object as asked about if nothing changed. rule: which rule decided, for people:
    ``only-pods rule 1``, ``only-pods default``. weight: for the decision process. settled: what export leaves as it is.
    """

    accepted: bool
    attributes: Attributes
    rule: str
    weight: int = 0
    settled: Settled = Settled.NOTHING

    def describe(self, before: Attributes) -> str:
        """Return the rule, and whether the route was changed from these attributes, for people."""
        is_changed = self.attributes is not before or self.weight or self.settled
        return f"{self.rule}, changed" if is_changed else self.rule


@dataclass(frozen=True, slots=True)
class Step:
    """A rule, or a policy's default, for one family. test: place of its prefix test in the list, -1 = asks none."""

    policy: str
    name: str
    action: Action
    conditions: Conditions
    context: tuple[ContextTest, ...]
    attributes: tuple[AttributeTest, ...]
    test: int
    changes: Changes
    settles: Settled

    @property
    def label(self) -> str:
        """Return policy and rule, for people."""
        return f"{self.policy} {self.name}"


@dataclass(frozen=True, slots=True)
class Program:
    """All steps for one family, and the prefix tests that they share."""

    steps: tuple[Step, ...]
    tests: tuple[PrefixTest, ...]


class _State(NamedTuple):
    """What the rules asked so far made of a route.

    asked, held: of which prefix tests the answer is known, and is yes; bit n is the test at place n.
    """

    attributes: Attributes
    weight: int
    settled: Settled
    asked: int = 0
    held: int = 0


class _Fork:
    """Where the decision depends on the prefix. yes, no: what comes then, None = no prefix has gone there yet."""

    __slots__ = ("at", "no", "state", "test", "yes")

    def __init__(self, test: PrefixTest, at: int, state: _State) -> None:
        self.test = test
        self.at = at
        self.state = state
        self.yes: _Fork | Verdict | None = None
        self.no: _Fork | Verdict | None = None


class Chain:
    """Import or export policies of a peer, in order. final: what happens to a route that nothing decided.

    looks_at_prefix: can two prefixes of one path be decided differently? sets_next_hop: does some rule? adds: the
    plain communities that some rule puts on routes. has_policies: without any, all routes are ``final``, unchanged, and
    need not be asked about.
    """

    __slots__ = (
        "_asked", "_judges", "_last", "_programs", "adds", "final",
        "has_policies", "looks_at_prefix", "policies", "sets_next_hop",
    )  # fmt: skip

    def __init__(self, policies: Sequence[Policy], *, final: bool = True) -> None:
        self.policies = tuple(policies)
        self.has_policies = bool(policies)
        self.final = final
        self._programs: dict[Family, Program] = {}
        self._judges: dict[_Question, PathJudge] = {}
        self._asked: _Question | None = None  # and who answered it: prefixes of one path come one after the other
        self._last: PathJudge | None = None
        asked = [rule.conditions for policy in policies for rule in policy.rules]
        self.looks_at_prefix = any(one.prefixes or one.length is not None for one in asked)
        changes = [rule.changes for policy in policies for rule in policy.rules]
        self.sets_next_hop = any(one.next_hop for one in changes)
        put = [one for change in changes for one in (change.set_communities, change.add_communities) if one is not None]
        self.adds = frozenset(community for one in put for community in one.plain)

    def judge(
        self, path: Path, attributes: Attributes, prefix: bytes, peer: PeerContext, interface_name: str = ""
    ) -> Verdict:
        """Return the decision about a prefix of the path; attributes: as they are now, the path's own or changed ones.

        interface_name: what the route leaves by, empty = none or not known.
        """
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
            # Without prefix rules most callers ask once for each path, and only the last answer is worth keeping
            judge = self._judges.get(asked) if self.looks_at_prefix else None
            if judge is None:
                judge = self.for_path(path, attributes, peer, interface_name)
                if self.looks_at_prefix:
                    if len(self._judges) >= _MEMO:
                        self._judges.clear()
                    self._judges[asked] = judge
            self._asked, self._last = asked, judge
        return judge.judge(prefix)

    def for_path(self, path: Path, attributes: Attributes, peer: PeerContext, interface_name: str = "") -> "PathJudge":
        """Return what decides about prefixes of one path."""
        program = self.program(path.family)
        subject = Subject(path, peer, interface_name)
        steps = tuple(
            step for step in program.steps if not step.context or all(test.holds(subject) for test in step.context)
        )
        return PathJudge(steps, program.tests, attributes, path.family, self.final, self.has_policies)

    def program(self, family: Family) -> Program:
        """Return the policies' steps for one family."""
        program = self._programs.get(family)
        if program is None:
            program = self._programs[family] = _compile(self.policies, family)
        return program


class PathJudge:
    """A chain's decisions about the prefixes of one path towards one peer."""

    __slots__ = ("_family", "_root", "_steps", "_tests", "_undecided", "_verdicts")

    def __init__(
        self,
        steps: tuple[Step, ...],
        tests: tuple[PrefixTest, ...],
        attributes: Attributes,
        family: Family,
        final: bool,
        has_policies: bool,
    ) -> None:
        self._steps = steps
        self._tests = tests
        self._family = family
        self._undecided = (final, end_of(has_policies))
        self._verdicts: dict[tuple[bool, bytes, bytes, str, int, Settled], Verdict] = {}
        self._root = self._from(0, _State(attributes, 0, Settled.NOTHING))

    @property
    def decided(self) -> Verdict | None:
        """Return the verdict that all prefixes of the path get, None = they may differ."""
        return self._root if isinstance(self._root, Verdict) else None

    def judge(self, prefix: bytes) -> Verdict:
        """Return the decision about one prefix."""
        node = self._root
        while node.__class__ is _Fork:
            if node.test(prefix):
                node = node.yes or self._grow(node, answer=True)
            else:
                node = node.no or self._grow(node, answer=False)
        assert isinstance(node, Verdict)
        return node

    def _grow(self, fork: _Fork, *, answer: bool) -> _Fork | Verdict:
        """Return what comes behind a fork, worked out for the first prefix that goes there."""
        state, test = fork.state, 1 << self._steps[fork.at].test
        held = state.held | test if answer else state.held
        state = _State(state.attributes, state.weight, state.settled, state.asked | test, held)
        node = self._from(fork.at, state)
        if answer:
            fork.yes = node
        else:
            fork.no = node
        return node

    def _from(self, at: int, state: _State) -> _Fork | Verdict:
        """Return the decision from a step on, up to the next prefix test whose answer is not known."""
        for place in range(at, len(self._steps)):
            step = self._steps[place]
            if step.attributes and not all(test.holds(state.attributes) for test in step.attributes):
                continue
            if step.test >= 0:
                if not state.asked >> step.test & 1:
                    return _Fork(self._tests[step.test], place, state)
                if not state.held >> step.test & 1:
                    continue
            if step.action is Action.REJECT:
                return self._verdict(False, state, step.label)
            state = _changed(step, state, self._family)
            if step.action is Action.ACCEPT:
                return self._verdict(True, state, step.label)
        accepted, label = self._undecided
        return self._verdict(accepted, state, label)

    def _verdict(self, accepted: bool, state: _State, label: str) -> Verdict:
        attributes = state.attributes
        key = (accepted, attributes.octets, attributes.next_hop, label, state.weight, state.settled)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._verdicts[key] = Verdict(accepted, attributes, label, state.weight, state.settled)
        return verdict


def end_of(has_policies: bool) -> str:
    """Return what decides where no rule did, for people."""
    return "end of policies" if has_policies else "no policy"


def _changed(step: Step, state: _State, family: Family) -> _State:
    changes = step.changes
    if changes is NO_CHANGES:
        return state
    attributes = apply(changes, state.attributes, family)
    weight = state.weight if changes.weight is None else changes.weight
    return _State(attributes, weight, state.settled | step.settles, state.asked, state.held)


def _compile(policies: tuple[Policy, ...], family: Family) -> Program:
    """Return the policies' steps for one family; a default that decides is a step without conditions."""
    tests: list[PrefixTest] = []
    places: dict[_PrefixQuestion, int] = {}
    steps: list[Step] = []
    for policy in policies:
        steps += [
            _step(policy, rule, family, tests, places) for rule in policy.rules if concerns(rule.conditions, family)
        ]
        if policy.default is not Action.NEXT:
            steps.append(Step(policy.name, "default", policy.default, ALWAYS, (), (), -1, NO_CHANGES, Settled.NOTHING))
            break  # nothing behind it is ever asked
    return Program(tuple(steps), tuple(tests))


def _step(
    policy: Policy, rule: Rule, family: Family, tests: list[PrefixTest], places: dict[_PrefixQuestion, int]
) -> Step:
    """Return a rule's step; its prefix test is added to tests unless an earlier rule asks the same."""
    conditions = rule.conditions
    question = (conditions.prefixes, conditions.comparison, conditions.length)
    test = prefix_test(conditions, family)
    place = -1
    if test is not None:
        place = places.setdefault(question, len(tests))
        if place == len(tests):
            tests.append(test)
    return Step(
        policy.name,
        rule.name,
        rule.action,
        conditions,
        context_tests(conditions),
        attribute_tests(conditions),
        place,
        NO_CHANGES if rule.changes == NO_CHANGES else rule.changes,
        settles(rule.changes, family),
    )
