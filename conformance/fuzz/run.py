"""One target under atheris: ``python -m conformance.fuzz.run TARGET [options and directories of libFuzzer]``.

A directory holds inputs; new ones go into the first. What libFuzzer prints is what it prints; exit status 77 is a find.
"""

import logging
import sys

import atheris
import structlog

with atheris.instrument_imports(include=["bgpd"]):
    from conformance.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz."""
    name, *options = sys.argv[1:]
    # What the daemon logs of faults is right and of no interest here
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    atheris.Setup([sys.argv[0], *options], TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
