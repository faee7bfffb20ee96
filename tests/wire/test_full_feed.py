"""100,000 prefixes from one peer to another, and their withdrawal, beside an idle session with a short hold time.

Run with ``-s`` to see how long it took and the daemon's memory. Times are seconds of the whole way: sending, the
daemon, reading; the reader only counts octets meanwhile, and looks at the routes afterwards.
"""

import struct
import threading
import time
from typing import Final

import pytest

from tests.support.daemon import until
from tests.support.wire_daemon import ASN, Remote, WireDaemon
from tests.support.wire_peer import (
    AGGREGATOR,
    COMMUNITIES,
    IPV4,
    IPV6,
    LARGE_COMMUNITIES,
    LOCAL_PREF,
    MED,
    OPTIONAL_TRANSITIVE,
    PARTIAL,
    UPDATE,
    WELL_KNOWN,
    Message,
    Watcher,
    WirePeer,
    address,
    attribute,
    path_attributes,
    split_attributes,
    u32,
    update,
)

FEEDER, RECEIVER, IDLE = Remote(2, 65002), Remote(3, ASN), Remote(4, 65004)
PEERS = (FEEDER, RECEIVER, IDLE)

PREFIXES: Final = 100_000
TOGETHER: Final = 5  # prefixes of one UPDATE, about what a table of the Internet has
SIZE: Final = 4  # octets of a prefix of 24 bits
LIMIT: Final = 60.0  # seconds: this is no measurement of speed
MB: Final = 1 << 20


def nlri(number: int) -> bytes:
    """Return a prefix of 24 bits."""
    return struct.pack("!BBH", 24, 20 + (number >> 16), number & 0xFFFF)


def block(number: int) -> bytes:
    """Return attributes that nearly no other UPDATE has."""
    asns = [FEEDER.asn, 70000 + number % 5000, *range(65100, 65100 + number % 6)]
    more = [attribute(MED, u32(number % 300))]
    if number % 3 == 0:
        more.append(attribute(AGGREGATOR, u32(70000 + number) + address("192.0.2.9")))
    more.append(attribute(COMMUNITIES, u32(*range(number, number + 1 + number % 20))))
    if number % 4 == 0:
        more.append(attribute(LARGE_COMMUNITIES, u32(70000, number, 1)))
    if number % 5 == 0:
        more.append(attribute(99, number.to_bytes(4), flags=OPTIONAL_TRANSITIVE | PARTIAL))
    return path_attributes(asns, f"192.0.2.{1 + number % 200}", number % 3, *more)


def read(peer: WirePeer, prefixes: int, field: int) -> list[Message]:
    """Read UPDATEs until they have so many prefixes; field: 0 = withdrawn, 1 = announced."""
    found = []
    end = time.monotonic() + LIMIT
    while prefixes > 0:
        message = peer.receive(end - time.monotonic())
        if message.kind == UPDATE:
            found.append(message)
            withdrawn = int.from_bytes(message.body[:2])
            attributes = int.from_bytes(message.body[2 + withdrawn : 4 + withdrawn])
            prefixes -= (withdrawn, len(message.body) - 4 - withdrawn - attributes)[field] // SIZE
    assert prefixes == 0
    return found


@pytest.mark.rfc("4271", "9.2")
def test_full_feed_is_relayed_and_withdrawn_while_an_idle_session_stays(daemon: WireDaemon) -> None:
    blocks = [block(number) for number in range(PREFIXES // TOGETHER)]
    octets = b"".join(
        update(attributes, b"".join(nlri(TOGETHER * index + i) for i in range(TOGETHER)))
        for index, attributes in enumerate(blocks)
    )
    with (
        daemon.session(IDLE, hold_time=3, families=(IPV6,)) as idle,
        Watcher(idle) as watcher,
        daemon.session(RECEIVER, families=(IPV4,)) as receiver,
        daemon.session(FEEDER, families=(IPV4,)) as feeder,
    ):
        before, ran = daemon.memory, daemon.processor_time
        began = time.monotonic()
        sender = threading.Thread(target=feeder.send, args=(octets,))
        sender.start()
        announced = read(receiver, PREFIXES, 1)
        took = time.monotonic() - began
        sender.join()
        memory, ran = daemon.memory, daemon.processor_time - ran
        print(f"\n{PREFIXES} prefixes relayed in {took:.2f} s, of which the daemon ran {ran:.2f} s")
        print(f"{len(blocks)} UPDATEs in, {len(announced)} out")
        print(f"daemon: {before / MB:.0f} MB before, {memory / MB:.0f} MB with the table")

        for message in announced:
            receiver.take(message)
        assert len(receiver.table) == PREFIXES
        for index, attributes in enumerate(blocks):
            expected = split_attributes(attributes) | {LOCAL_PREF: (WELL_KNOWN, u32(100))}
            for number in range(TOGETHER * index, TOGETHER * (index + 1)):
                assert receiver.table[f"{20 + (number >> 16)}.{number >> 8 & 255}.{number & 255}.0/24"].attributes == (
                    expected
                )
        assert memory - before < 300 * MB

        began = time.monotonic()
        feeder.cut()
        gone = read(receiver, PREFIXES, 0)
        print(f"withdrawn in {time.monotonic() - began:.2f} s, {len(gone)} UPDATEs")
        for message in gone:
            receiver.take(message)
        assert receiver.table == {}
        until(lambda: watcher.heard >= 2, "two KEEPALIVEs on the idle session")
    print(f"the idle session waited {watcher.longest_silence:.2f} s at most, KEEPALIVEs come each second or sooner")
    assert daemon.status().routes["ipv4-unicast"] == 0
