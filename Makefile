# Everything a newcomer needs: `make run`, `make test`. The rest: `make check`, `make bench`, `make lock`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup run test check bench zoo crash worlds real wheel lock clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "backcast needs Python 3.11, 3.12 or 3.13; use make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

run: setup
	$(BIN)/backcast run

test: setup
	$(BIN)/python -m pytest -n auto

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# `make bench` runs every claim, `make bench AREA=simulator` one area.
bench: setup
	$(BIN)/python benchmarks/bench.py $(AREA)

# `make zoo` asks every method about every planted leak, its twin and forty honest runs, a process a core, and ends with an error
# where a bar is missed; ZOO="--sample 30 --no-peers" or ZOO="--level quick --family filings" asks about some of them.
zoo: setup
	PYTHONPATH=benchmarks $(BIN)/python -m zoo.run $(ZOO)

# The long ones: 2,000 kills of writers at work; and what real data say (DATA is a folder of them, none is committed).
crash: setup
	BACKCAST_KILLS=2000 $(BIN)/python -m pytest tests/crash -s

# Sweeps of 10 to 2,000 trials in 1,200 worlds, without skill and with one: half an hour, WORLDS=20 for three minutes.
worlds: setup
	cd benchmarks && ../$(BIN)/python worlds.py --worlds $(or $(WORLDS),200)

real: setup
	$(BIN)/python tests/real/store.py $(DATA)
	$(BIN)/python tests/real/alpha158.py $(DATA)

# The wheel built from the sdist, in a clean environment outside the checkout, runs the main job.
wheel: setup
	$(BIN)/python -m build --outdir build/dist . >/dev/null
	bash .ci/wheel build/dist

# The lock is what pip resolves from pyproject.toml in a clean environment, torch first (its CPU build where served).
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet torch==2.13.0
	build/lock/bin/python -m pip install --quiet --editable '.[dev]'
	build/lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > requirements.lock

clean:
	rm -rf build dist src/*.egg-info
