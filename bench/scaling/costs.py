"""What things cost one of our daemons. Seconds of CPU and octets of memory, measured, and where each comes from.

``bench.micro`` gives the costs of an UPDATE, tracemalloc on its tables the memory of a path and a prefix, and the
difference between idle daemons with 10 and 600 peers CPU and memory of a session. What case ``rr 600 × 2`` needs beyond
all these is the cost of a write.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of one daemon.

    receive: to read an UPDATE with a path of its own, check it, and change the tables. encode: to export and pack a
    path for a group. write: to give the octets of one flush to one more member. octet: to copy one octet into a socket.
    session: to bring one up. latency: from one node to another. tick: paths that are read before changes are sent on.
    """

    receive: float = 15e-6
    encode: float = 7e-6
    write: float = 20e-6
    octet: float = 0.3e-9
    session: float = 2e-3
    latency: float = 0.2e-3
    tick: int = 2500
    path_memory: int = 890
    prefix_memory: int = 150
    session_memory: int = 24_000
    base_memory: int = 57_000_000
    message: int = 96  # octets of an UPDATE with one path, without prefixes
    prefix: int = 5  # octets of a /26 in an UPDATE


MEASURED = Costs()
