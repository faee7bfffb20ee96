"""The policies by name, and how often each has changed: what a changed one says is judged anew."""

from collections import Counter
from collections.abc import Iterable

from bgpd.policy.chain import Chain
from bgpd.policy.rules import Policy


class NamedPolicies:
    """Those in force."""

    __slots__ = ("_by_name", "_generations", "_withheld")

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._by_name = {policy.name: policy for policy in policies}
        self._generations: Counter[str] = Counter()
        self._withheld = 0

    def use(self, policies: Iterable[Policy], changed: Iterable[str], *, is_withheld_changed: bool) -> None:
        """Take others. changed: names of those that differ. is_withheld_changed: other pools are not exported now."""
        self._by_name = {policy.name: policy for policy in policies}
        self._generations.update(changed)
        self._withheld += is_withheld_changed

    def chain(self, names: tuple[str, ...]) -> Chain:
        """Return the policies of these names, in order."""
        return Chain([self._by_name[name] for name in names if name in self._by_name])

    def ask_for_names(self, names: tuple[str, ...]) -> bool:
        """Do these policies ask for the name of the peer? Then no two peers can share an update group."""
        return any(self._by_name[name].looks_at_peer for name in names if name in self._by_name)

    def generation(self, names: tuple[str, ...]) -> int:
        """Return a number that grows whenever these policies may decide otherwise about what is sent."""
        return self._withheld + sum(self._generations[name] for name in names)
