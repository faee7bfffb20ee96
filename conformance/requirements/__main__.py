"""``python -m conformance.requirements``: run the tests that the catalogue names and print what holds."""

import sys

from conformance.requirements.report import main

sys.exit(main())
