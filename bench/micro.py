"""How long each hot function takes for one UPDATE of a synthetic table: a change is judged in seconds.

``python -m bench.micro [messages]`` prints microseconds of CPU for each message (about five prefixes, a path of its
own), the least of several rounds, which is the figure that a busy machine disturbs least. "one by one" is what messages
cost that are not everyday ones; "bare" is what a speaker in Python would do with the same messages without a check, a
decision or a rule.
"""

import gc
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from random import Random
from typing import TypeVar

from bgpd.families import IPV4_UNICAST
from bgpd.identity import Asn, BgpIdentifier, PeerType
from bgpd.messages import everyday, nlri
from bgpd.messages.attributes import block
from bgpd.messages.everyday import Routes
from bgpd.messages.framing import Framer
from bgpd.messages.update import Update, announce, decode
from bgpd.policy.chain import Chain
from bgpd.policy.signals import Signals
from bgpd.policy.subject import PeerContext
from bgpd.rib.adj_rib_in import AdjRibIn
from bgpd.rib.adj_rib_out import AdjRibOut
from bgpd.rib.admission import Admission
from bgpd.rib.changes import Batch, sort_by_path
from bgpd.rib.decision import rank
from bgpd.rib.loc_rib import LocRib
from bgpd.rib.next_hops import NextHopTable
from bgpd.rib.path import Path, Source
from bgpd.session.connection import CHECKPOINT
from bgpd.speaker.exporting import GroupExporter
from bgpd.speaker.importing import PeerImporter
from tests.support.paths import negotiated, peer_source, sequence
from tests.support.rib import export_rule

ROUNDS = 7
LIMIT = 4096  # octets of a message
READ = 256 * 1024  # octets
FAMILY = IPV4_UNICAST
Result = TypeVar("Result")


def feed(count: int, seed: int = 1) -> bytes:
    """Return that many UPDATEs, each with attributes of its own."""
    random, number, messages = Random(seed), 0, list[bytes]()
    for _ in range(count):
        path = [random.randrange(1, 64000) for _ in range(random.randrange(2, 6))]  # none of them is ours
        attributes = block.make(
            origin=0,
            as_path=sequence(65001, *path),
            communities=tuple(random.randrange(1 << 32) for _ in range(3)) if random.random() < 0.6 else (),
            med=random.randrange(100) if random.random() < 0.2 else None,
        )
        size = random.choice((1, 2, 3, 4, 5, 15))
        keys = [b"\x18" + (0x0A0000 + number + index).to_bytes(3) for index in range(size)]
        number += size
        messages += announce(FAMILY, attributes.octets, b"\x0a\x01\x00\x01", keys, LIMIT)
    return b"".join(messages)


def _silent(_kind: str, _reason: str) -> None:
    """Hear of nothing: every route here is a good one."""


class Pipeline:
    """The tables of a daemon with one peer that feeds and one group that listens."""

    def __init__(self) -> None:
        self.negotiated = negotiated(FAMILY, remote_asn=65001)
        self.source = peer_source(1, PeerType.EXTERNAL)
        self.next_hops = NextHopTable(None)
        self.loc_rib = LocRib(FAMILY, lambda: None)
        self.importer = PeerImporter(
            Admission((Asn(64512),), 0, Asn(65001), frozenset()),
            BgpIdentifier(1),
            None,
            Chain([]),
            PeerContext("feeder", PeerType.EXTERNAL, Asn(64512), Asn(65001)),
            self.next_hops,
            _silent,
            Signals(),
            denies_all=False,
        )
        self.adj_rib_in = AdjRibIn(FAMILY, self.loc_rib, self.next_hops, self.importer, self._source, self.negotiated)
        rule = export_rule(PeerType.EXTERNAL)
        self.exporter = GroupExporter(rule, Chain([]), ())
        self.adj_rib_out = AdjRibOut(rule, self.exporter, self.loc_rib)

    def announce(self, updates: list[Update]) -> None:
        """Take the routes of the UPDATEs."""
        for update in updates:
            self.adj_rib_in.announce(update.attributes, None, update.announced)

    def _source(self, _: int) -> Source:
        return self.source


class Clock:
    """CPU seconds of each stage, summed over a round. spent: by name, in the order of their first mention."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def time(self, name: str, stage: Callable[[], Result]) -> Result:
        """Return what the stage returns."""
        start = time.process_time()
        result = stage()
        self.spent[name] = self.spent.get(name, 0.0) + time.process_time() - start
        return result


def one_round(data: bytes) -> dict[str, float]:
    """Return the seconds of each stage: first of the pipeline, read by read, then of the parts alone."""
    clock, pipe, framer = Clock(), Pipeline(), Framer(LIMIT)
    loc_rib, batches = pipe.loc_rib, list[Batch]()
    routes, updates = list[Routes](), list[Update]()
    others = Pipeline()
    for at in range(0, len(data), READ):
        messages = clock.time("framing", partial(framer.feed, data[at : at + READ]))
        clock.time("Adj-RIB-In and Loc-RIB", partial(_take, framer.buffer, messages, pipe))
        batch = clock.time("sort by path", lambda: sort_by_path(loc_rib.take_changes(), loc_rib.table))
        clock.time("Adj-RIB-Out", partial(pipe.adj_rib_out.changes, batch))
        batches.append(batch)
        routes += clock.time("  cut", partial(_cut, framer.buffer, messages))
        updates += clock.time("one by one: decode", partial(_decode_all, framer, messages, pipe))
    clock.time("one by one: tables", partial(others.announce, updates))
    parsed = clock.time("  parse", lambda: [block.parse(each, pipe.negotiated, None) for each, _, _ in routes])
    hop = pipe.next_hops.get(parsed[0].next_hop)
    paths = clock.time("  new path", lambda: [Path(pipe.source, FAMILY, each, hop) for each in parsed])
    clock.time("  rank", partial(_each, rank, paths))
    clock.time("  admit", partial(_each, pipe.importer.admit, paths))
    pairs = [(path, keys) for path, (_, _, keys) in zip(paths, routes, strict=True)]
    clock.time("  Loc-RIB", partial(LocRib(FAMILY, lambda: None).announce_all, pairs))
    clock.time("  message", lambda: [pipe.exporter.message(path, keys) for path, keys in pairs])
    clock.time("bare", partial(bare, data))
    return clock.spent


def _take(buffer: bytes, messages: list[tuple[int, int, int]], pipe: Pipeline) -> None:
    """Take the UPDATEs as a peer does (see ``speaker.intake``)."""
    index = 0
    while index < len(messages):
        stop = messages[index][1] + CHECKPOINT
        index += pipe.adj_rib_in.announce_run(everyday.classic(buffer, islice(messages, index, None), stop))


def bare(data: bytes) -> int:
    """Cut out the messages and their prefixes, put these into one table, and make messages of them again."""
    split, table, paths = nlri.TOKENS[FAMILY.bits], dict[bytes, bytes](), dict[bytes, bytes]()
    position, octets = 0, 0
    while position < len(data):
        end = position + (data[position + 16] << 8 | data[position + 17])
        start = position + 23
        stop = start + (data[start - 2] << 8 | data[start - 1])
        attributes = data[start:stop]
        path = paths.setdefault(attributes, attributes)
        keys = split(data, stop, end)
        for key in keys:
            table[key] = path
        octets += len(data[position:start] + path + b"".join(keys))
        position = end
    return octets


def _cut(buffer: bytes, messages: list[tuple[int, int, int]]) -> list[Routes]:
    return list(everyday.classic(buffer, messages, len(buffer)))


def _decode_all(framer: Framer, messages: Sequence[tuple[int, int, int]], pipe: Pipeline) -> list[Update]:
    return [decode(framer.buffer, start, end, pipe.negotiated) for _, start, end in messages]


def _each(stage: Callable[[Path], None], paths: Sequence[Path]) -> None:
    for path in paths:
        stage(path)


def main(count: int) -> None:
    """Print the least time of each stage for a message."""
    data = feed(count)
    gc.disable()  # as in the daemon, which does not look for garbage while a table of this size loads
    rounds = list[dict[str, float]]()
    for _ in range(ROUNDS):
        rounds.append(one_round(data))
        gc.collect()
    for name in rounds[0]:
        print(f"{name:24} {min(spent[name] for spent in rounds) / count * 1e6:6.2f} us")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
