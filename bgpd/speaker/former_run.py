"""What is known of the run of bgpd before this one, where no kernel routes tell of it."""

from bgpd.records import dataclass


@dataclass(frozen=True, slots=True)
class FormerRun:
    """A run that ended without giving up its routes.

    age: seconds since it was last alive. peers: names of those from ranges that had a session, which no configuration
    tells of.
    """

    age: float
    peers: frozenset[str] = frozenset()
