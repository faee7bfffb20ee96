"""docs/scaling.md: ``python -m bench.scaling`` simulates all layouts (minutes), ``... page`` writes the page alone."""

import sys

from bench.scaling.page import keep, load, simulate

if __name__ == "__main__":
    keep(load() if sys.argv[1:] == ["page"] else simulate())
