# make demo · make test · make lint · make board · make site · make papers · make docs
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint board site papers docs clean

demo: .venv/installed
	$(BIN)/ratbench run demo

# A worker more than there are cores, since some tests wait for processes and clocks. Hundreds of processes would
# compile our files again where Python may not write what it compiled.
test: .venv/tested
	PYTHONDONTWRITEBYTECODE= PYTEST_XDIST_AUTO_NUM_WORKERS=$$(($$(nproc) + 1)) \
	  $(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: .venv/tested
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/bandit -q -c pyproject.toml -r suite methods evaluators
	$(BIN)/zizmor -q --offline .github
	$(BIN)/python .ci/audit.py

board: .venv/installed
	$(BIN)/ratbench leaderboard results results/cifar10-small --output results/leaderboard.md
	$(BIN)/ratbench atlas results results/cifar10-small --output results/atlas.md

site: .venv/installed
	$(BIN)/ratbench site results results/cifar10-small --output build/board

papers: .venv/tested
	$(BIN)/python -m docs.generate

docs: .venv/tested
	$(BIN)/python -m mkdocs build --strict

clean:
	rm -rf .venv build site *.egg-info

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "RaT-Bench needs Python 3.11 or newer; make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv
	$(PIP) -e .
	touch $@

.venv/tested: .venv/installed
	$(PIP) -e '.[test,docs,tensorboard,wandb,mlflow]'
	touch $@
