# Every target a developer or CI needs; `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.installed-bench
# Bytecode is kept (git and Docker ignore it): tests start many processes, and pytest compiles every test file.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(STAMP): requirements/all.txt pyproject.toml
	@echo "==> virtual environment in $(VENV) (hash-locked, about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/all.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: setup
setup: $(STAMP) ## the virtual environment, from the hash-locked requirements

.PHONY: lock
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header
EXTRAS := embedded local demo dev
lock: $(STAMP) ## compile requirements/ anew from pyproject.toml: all.txt; operator.txt and build.txt (image), bench.txt
	$(LOCK) $(EXTRAS:%=--extra %) pyproject.toml -o requirements/all.txt
	$(LOCK) -c requirements/all.txt --extra bench pyproject.toml -o requirements/bench.txt
	$(LOCK) -c requirements/all.txt pyproject.toml -o requirements/operator.txt
	echo 'setuptools>=80' | $(LOCK) -c requirements/all.txt - -o requirements/build.txt

.PHONY: generated
generated: $(STAMP) ## write crds/, the chart's copy, docs/reference, the tables in docs and chart, examples/01-flights anew
	$(BIN)/python -m tierwise.tools.generate --write

.PHONY: lint
lint: $(STAMP) ## ruff, mypy strict, import rules, generated files, docs commands
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tierwise.tools.generate --check
	$(BIN)/python -m tierwise.tools.docs_check

# Tests of labels in PostgreSQL start a server of their own; on Debian, as root, it is installed without a cluster.
.PHONY: postgres
postgres:
	@command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "==> PostgreSQL (Debian's postgresql-15)"; mkdir -p /etc/postgresql-common; \
	  echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf; \
	  (apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends postgresql-15) \
	    || echo "==> not installed: its tests are skipped (or fail with CI=true)"; \
	fi

# Unit tests share nothing, so they run on all cores.
UNIT := $(BIN)/pytest -n auto --dist worksteal tests/unit
# What starts real components runs in two processes, file by file, each with a control plane of its own. Most of it
# waits, so two cores serve both. The order is kept, for the long files come first.
REAL := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder tests/e2e tests/calibration tests/integration

.PHONY: test
test: $(STAMP) postgres ## unit, integration and e2e tests on real components (CI=true: a missing component fails)
	$(UNIT)
	$(REAL) --durations=20

.PHONY: unit
unit: $(STAMP) ## only the pure core: under a minute
	$(UNIT)

.PHONY: demo
demo: $(STAMP) ## the main job on 336,776 real flights (CLUSTER=simulated: in memory, under a minute)
	@$(BIN)/tierwise demo $(if $(CLUSTER),--cluster $(CLUSTER))

.PHONY: bench
bench: $(BENCH_STAMP) ## benchmarks with their peers in the same run; prints ratios (ARGS="--quick", "--write", "--rows N", …)
	$(BIN)/python -m tests.bench $(ARGS)

$(BENCH_STAMP): $(STAMP) requirements/bench.txt
	@echo "==> the benchmarks' peers (hash-locked): polars, DuckDB, fairlearn, …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $@

.PHONY: calibration
calibration: $(STAMP) ## the guarantees of docs/statistics.md, simulated at full length
	$(BIN)/python -m tests.calibration

.PHONY: chaos
chaos: $(STAMP) ## anything in any order: hundreds of random stories with crashes at every write
	TIERWISE_CHAOS_EXAMPLES=$(or $(EXAMPLES),400) $(BIN)/pytest --timeout 0 tests/unit/runtime/test_state_machine.py tests/unit/runtime/test_crashes.py

.PHONY: clean
clean: ## remove the virtual environment and caches of this checkout
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build dist out
