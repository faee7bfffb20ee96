"""When the count of dropped segments grows while a session waits."""

from bgpd.session.signatures import SignatureWatch
from tests.support.memory_network import MemoryNetwork
from tests.support.virtual_loop import VirtualLoop


def test_only_what_was_dropped_since_the_last_look_is_told(loop: VirtualLoop) -> None:
    network, told = MemoryNetwork(loop), list[int]()
    network.unsigned = 5  # of another peer, before
    watch = SignatureWatch(network.host("10.0.0.1"), loop, told.append)
    watch.start()
    loop.run_for(11)
    assert told == []
    network.unsigned += 2
    loop.run_for(10)
    network.unsigned += 1
    loop.run_for(10)
    loop.run_for(10)
    assert told == [2, 1]


def test_after_a_stop_nothing_is_told(loop: VirtualLoop) -> None:
    network, told = MemoryNetwork(loop), list[int]()
    watch = SignatureWatch(network.host("10.0.0.1"), loop, told.append)
    watch.start()
    watch.stop()
    network.unsigned += 2
    loop.run_for(60)
    assert told == []
