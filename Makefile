# make demo and make test need Python 3.11 or newer, make, gcc and iproute2; everything else comes into .venv.

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name) 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check

# Options of the demo and of the lab: make lab LAB="--nodes 20 --reflectors 1"
LAB ?= --nodes 3 --containers 2
# Which tests: those against other BGP daemons and etcd need them installed; make check TESTS= runs them too.
TESTS ?= -m "not interop and not etcd"
# Fuzzing: seconds for each target, and which ones (none: all)
FUZZ_SECONDS ?= 300
FUZZ_TARGETS ?=
# Soak test: seconds of flapping
SOAK_SECONDS ?= 120
# Options of the churn test: make churn CHURN="--nodes 20 --seconds 30 --seed 7"
CHURN ?= --nodes 50 --seconds 120
# Options of the benchmark suite: python -m bench.run --help
BENCH ?=
SOURCES := $(wildcard bgpd tests conformance bench)

.PHONY: help demo demo-etcd lab setup test conformance interop fuzz soak churn bench bench-quick bench-guard check format clean

help:
	@echo "make demo         set up .venv, build a cluster of network namespaces, show that it routes"
	@echo "make demo-etcd    a cluster in etcd, command by command, as docs/walkthrough.md has it (Debian: etcd-server etcd-client iputils-ping)"
	@echo "make test         set up .venv, run the tests (as root, those with network namespaces too)"
	@echo "make check        format, lint, types, tests with branch coverage"
	@echo "make conformance  the tests of each RFC's rules, and what holds (as root: a skipped test shows nothing)"
	@echo "make interop      sessions with other BGP daemons (Debian: bird2 exabgp frr gobgpd openbgpd)"
	@echo "make fuzz         every decoder under a fuzzer: make fuzz FUZZ_SECONDS=60 FUZZ_TARGETS=\"update nlri\""
	@echo "make soak         200 peers that come and go with 100,000 routes, and what is left of them"
	@echo "make churn        50 nodes that follow an etcd which changes at random, held against a model (as root; Debian: etcd-server)"
	@echo "make bench        figures beside BIRD, FRR, OpenBGPD, GoBGP (hours, goes on where it stopped): make bench BENCH=\"--only rr --reps 5\""
	@echo "make bench-quick  two minutes of it: BIRD, FRR and ours"
	@echo "make bench-guard  a short run against the figures that are kept; status 1 where we got slower or larger"
	@echo "make lab          the lab with options of yours: make lab LAB=\"--nodes 5 --reflectors 1 --keep\""
	@echo "make format       rewrite the sources as the formatter wants them"
	@echo "make clean        remove .venv and everything generated"

# Two stamps: the demo does not wait for the tools of the developers.
$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed, $(PYTHON) is older; try make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The bytecode of an editable package is ours to make: the labs start many processes, and each would compile all of it
$(VENV)/.installed: pyproject.toml $(VENV)/.created
	$(PIP) --editable .
	$(BIN)/python -m compileall -q bgpd
	@touch $@

$(VENV)/.developed: pyproject.toml $(VENV)/.created
	$(PIP) --editable '.[dev]'
	$(BIN)/python -m compileall -q bgpd
	@touch $(VENV)/.installed $@

# Apart from the tools of the developers: the fuzzer has no wheels for every Python
$(VENV)/.fuzzing: pyproject.toml $(VENV)/.developed
	$(PIP) --editable '.[dev,fuzz]'
	@touch $@

setup: $(VENV)/.developed

demo lab: $(VENV)/.installed
	$(BIN)/bgpd lab $(LAB)

demo-etcd: $(VENV)/.installed
	$(BIN)/bgpd lab --walkthrough docs/walkthrough.md

test: $(VENV)/.developed
	$(BIN)/pytest $(TESTS) $(COVERAGE)

conformance: $(VENV)/.developed
	$(BIN)/python -m conformance.requirements

interop: $(VENV)/.developed
	$(BIN)/pytest -m interop conformance

fuzz: $(VENV)/.fuzzing
	$(BIN)/python -m conformance.fuzz.campaign --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)

soak: $(VENV)/.developed
	$(BIN)/python -m conformance.soak.run --seconds $(SOAK_SECONDS)

# As root; some 4 GB of memory for 50 nodes
churn: $(VENV)/.developed
	$(BIN)/python -m conformance.churn.run $(CHURN)

# As root, on a machine that does nothing else
bench: $(VENV)/.developed
	$(BIN)/python -m bench.run $(BENCH)

bench-quick: $(VENV)/.developed
	$(BIN)/python -m bench.run --suite quick --fresh --daemons bgpd,bird,frr --quiet 5 --reps 2 $(BENCH)

bench-guard: $(VENV)/.developed
	$(BIN)/python -m bench.guard

check: $(VENV)/.developed
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(MAKE) test COVERAGE="--cov=bgpd --cov-branch --cov-report=term:skip-covered"

format: $(VENV)/.developed
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .fuzz
	find $(SOURCES) -name __pycache__ -prune -exec rm -rf {} +
