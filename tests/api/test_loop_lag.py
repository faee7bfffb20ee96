"""How late the loop was, under virtual time."""

from bgpd.api.loop_lag import INTERVAL, LoopLag
from tests.support.virtual_loop import VirtualLoop


def test_the_worst_lag_stays_while_the_latest_one_changes() -> None:
    loop = VirtualLoop()
    lag = LoopLag(loop)
    lag.start()
    loop.call_at(INTERVAL - 0.01, lambda: loop._jump(0.5))  # something holds the loop
    loop.run_for(INTERVAL)
    assert (round(lag.latest, 3), round(lag.worst, 3)) == (0.49, 0.49)
    loop.run_for(10)
    assert (round(lag.latest, 3), round(lag.worst, 3)) == (0, 0.49)
    lag.stop()
    loop.close()
