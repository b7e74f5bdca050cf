# Each target sets up all it needs: the environment in $(VENV), the starter models, a browser, node_modules.
# pip runs only when pyproject.toml or constraints.txt changed.

PYTHON ?= python3
VENV   ?= .venv
PORT   ?= 8888
ARGS   ?=
JOBS   ?= 2

BIN    := $(VENV)/bin
PY     := $(BIN)/python
PIP    := $(PY) -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
PINS   := pyproject.toml constraints.txt
NODE   := widgets/node_modules/.package-lock.json

.DEFAULT_GOAL := help
.PHONY: help lab test check js docs notebooks bench test-hub test-gpu test-extras
.DELETE_ON_ERROR:

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

lab: $(VENV)/.lab ## JupyterLab on the welcome notebook (PORT=8899 ARGS="--no-browser")
	@$(BIN)/influence lab --port $(PORT) $(ARGS)

test: $(VENV)/.test ## every test, a browser set up where one can be had (ARGS="-k name")
	@$(BIN)/influence starters
	@$(PY) -m tests.browser.install
	$(PY) -m pytest -n $(JOBS) --dist loadfile $(ARGS)

check: $(VENV)/.check $(NODE) ## ruff, mypy, import-linter; the front end's types, unit tests and bundles
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd widgets && npm run --silent check
	cd widgets && npm test --silent
	cd widgets && npm run --silent fresh

js: $(NODE) ## rebuild the front end's bundles
	cd widgets && npm run --silent build

docs: $(VENV)/.lab ## docs/api.md, from the docstrings
	$(PY) docs/reference.py

notebooks: $(VENV)/.test ## run every notebook, as the tests do
	@$(BIN)/influence starters
	$(PY) -m pytest tests/notebooks $(ARGS)

bench: $(VENV)/.test ## every benchmark, its ratios printed
	@$(BIN)/influence starters
	@set -e; for script in benchmarks/bench_*.py; do echo "== $$script"; $(PY) -m benchmarks.$$(basename $$script .py) $(ARGS); done

test-hub: $(VENV)/.test ## the tests that need the real Hub
	TEST_HUB=1 $(PY) -m pytest -m hub $(ARGS) || [ $$? -eq 5 ]

test-gpu: $(VENV)/.test ## the tests that need a real GPU
	@$(BIN)/influence starters
	$(PY) -m pytest -m gpu $(ARGS) || [ $$? -eq 5 ]

test-extras: $(VENV)/.extras ## the tests that need Ray or lm-evaluation-harness
	@$(BIN)/influence starters
	TEST_EXTRAS=1 $(PY) -m pytest -m extras $(ARGS)

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "influence_nb needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1)." \
	    "Say which one to use: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) pip # the one that came with Python may be years old, and resolve for minutes

$(VENV)/.lab: $(PINS) | $(PY)
	@echo "Installing influence_nb into $(VENV) (minutes, the first time)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.test: $(PINS) | $(PY)
	@echo "Installing influence_nb and what its tests need into $(VENV) (minutes, the first time)"
	@$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/.lab

$(VENV)/.extras: $(PINS) | $(PY)
	@echo "Installing influence_nb with Ray and lm-evaluation-harness into $(VENV) (minutes, the first time)"
	@$(PIP) --editable '.[test,ray,lm-eval]'
	@touch $@ $(VENV)/.test $(VENV)/.lab

$(VENV)/.check: $(PINS) | $(PY)
	@echo "Installing influence_nb and the checkers into $(VENV) (minutes, the first time)"
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.test $(VENV)/.lab

$(NODE): widgets/package-lock.json
	@command -v npm >/dev/null || { echo "This needs Node.js 20 or newer, with npm." >&2; exit 1; }
	cd widgets && npm ci --no-audit --no-fund
	@touch $@
