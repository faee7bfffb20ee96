"""What is wrong with what etcd holds, or does not go together with the configuration file."""

from bgpd.records import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """A key of etcd, or of the file, and why it is not used as it stands. The value itself is never in ``why``."""

    key: str
    why: str

    def __str__(self) -> str:
        return f"{self.key}: {self.why}"
