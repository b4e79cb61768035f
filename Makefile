# Needs bash, make and Python >= 3.11; everything else goes into .venv.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
TESTERS ?= 3
UPGRADE ?= --upgrade
BIN := .venv/bin
INSTALLED := .venv/installed
CONTESTANTS := .venv/contestants

# The machine's own certificates, so that uv works wherever pip does.
export UV_SYSTEM_CERTS := 1
export VIRTUAL_ENV := $(CURDIR)/.venv
# A stack starts many processes: let Python keep what it has compiled.
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE

.PHONY: help
help:  ## print this
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/\1|\2/p' Makefile \
		| while IFS='|' read -r target text; do printf '  make %-14s %s\n' "$$target" "$$text"; done

.PHONY: install
install: $(INSTALLED)  ## install what requirements/dev.txt pins, and both packages, into .venv

# uv installs in seconds; where it reaches no index but pip does, pip does the same, slowly.
$(INSTALLED): requirements/dev.txt requirements/uv.txt pyproject.toml packages/lth-service/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed; name one: make PYTHON=python3.12" if not (3, 11) <= sys.version_info < (3, 14) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements/dev.txt \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --offline --no-deps --no-build-isolation --editable . --editable packages/lth-service
	@touch $@

.PHONY: demo
demo: $(INSTALLED)  ## start the whole stack, run a real experiment through its API, leave its results in demo-out/
	@$(BIN)/python -m service.cli.demo examples/session-with-control.yaml demo-out

# In the order of the folders: the longest modules, those of e2e and faults, are started first.
PYTEST = $(BIN)/python -m pytest -q -n $(TESTERS) --dist loadfile --no-loadscope-reorder

.PHONY: test
test: $(INSTALLED)  ## the tests of all parts, on real Postgres, Valkey and workers
	@$(PYTEST) -m "not slow and not system"

.PHONY: test-system
test-system: $(INSTALLED)  ## the tests that start whole stacks, kill processes, and follow the documentation
	@$(PYTEST) -m "system and not slow"

.PHONY: check
check: $(INSTALLED)  ## lint, format, types, the contracts of imports, and the generated client
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.generate_client --check

.PHONY: docs
docs: $(INSTALLED)  ## build the documentation as a site in site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

.PHONY: format
format: $(INSTALLED)  ## bring the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# What the engine is held against, and nothing else needs.
$(CONTESTANTS): $(INSTALLED) requirements/bench.txt
	@$(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements/bench.txt \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $@

.PHONY: bench
bench: $(CONTESTANTS)  ## training speed, beside what one would use instead
	@$(BIN)/python -m benchmarks.training

.PHONY: bench-service
bench-service: $(INSTALLED)  ## submits per second, latencies and watchers, all parts running
	@$(BIN)/python -m benchmarks.service

.PHONY: bench-memory
bench-memory: $(INSTALLED)  ## the estimated memory of runs beside the memory that they use
	@$(BIN)/python -m benchmarks.memory

.PHONY: faults
faults: $(INSTALLED)  ## kill, pause, flush and fill parts under 200 jobs; count what was lost
	@$(BIN)/python -m pytest -q -p no:xdist -s -m slow tests/faults

PROJECTS = pyproject.toml packages/lth-service/pyproject.toml
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-package lth --no-emit-package lth-service
PINNED = $(LOCK) --constraint requirements/dev.txt

.PHONY: lock
lock: $(INSTALLED)  ## pin the newest versions that the two pyproject.toml allow
	@$(LOCK) $(UPGRADE) $(PROJECTS) --extra local --group dev --group build \
		--output-file requirements/dev.txt >/dev/null
	@echo uv | $(LOCK) $(UPGRADE) - --output-file requirements/uv.txt >/dev/null
	@$(PINNED) packages/lth-service/pyproject.toml --output-file requirements/service.txt >/dev/null
	@for extra in worker gpu; do $(PINNED) packages/lth-service/pyproject.toml --extra $$extra \
		--output-file requirements/$$extra.txt >/dev/null; done
	@$(PINNED) pyproject.toml --group bench --output-file requirements/bench.txt >/dev/null
	@$(PINNED) --group build --output-file requirements/build.txt >/dev/null

.PHONY: clean
clean:  ## remove all that make made, .venv too
	@rm -rf .venv demo-out build dist site .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
