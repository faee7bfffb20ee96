"""One input again, without a fuzzer: ``python -m conformance.fuzz.repeat TARGET FILE ...``."""

import sys
from pathlib import Path

from conformance.fuzz.targets import TARGETS


def main() -> None:
    """Run the target with each file; what it raises leaves."""
    name, *files = sys.argv[1:]
    for file in files:
        TARGETS[name].run(Path(file).read_bytes())
        print(f"{file}: passed")


if __name__ == "__main__":
    main()
