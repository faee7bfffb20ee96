"""One driver for each daemon: its settings stand in the docstring of its module."""

from typing import Final

from bench.drivers.bgpd import Bgpd
from bench.drivers.bird import Bird
from bench.drivers.driver import Driver, DriverError, free_port
from bench.drivers.frr import Frr
from bench.drivers.gobgp import Gobgp
from bench.drivers.openbgpd import Openbgpd

DRIVERS: Final[dict[str, type[Driver]]] = {each.name: each for each in (Bgpd, Bird, Frr, Openbgpd, Gobgp)}

__all__ = ["DRIVERS", "Driver", "DriverError", "free_port"]
