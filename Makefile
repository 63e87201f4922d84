# Everything that a bare machine needs. `make help` lists the targets.
# A stamp file per extra, older than pyproject.toml or missing, makes a target install again; else it starts at once.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$name >/dev/null && $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$name && break; done)
BENCH_ARGS ?=
PYTEST_ARGS ?=

.PHONY: help run test lint bench clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.installed-run ## install, start a node, put real files into it, read them back as batches, check every byte
	@$(BIN)/python examples/first_batch.py

test: $(VENV)/.installed-test ## install, then all checks and tests (PYTEST_ARGS="tests/archive" for a part of them)
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.installed-test ## ruff, import contracts, generated code
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/python scripts/unasync.py --check

bench: $(VENV)/.installed-bench ## measure against nginx, TCP and other clients, write docs/benchmarks.md (BENCH_ARGS="--quick")
	@command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || benchmarks/install-nginx
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

clean: ## remove what the other targets made
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "Moss needs Python 3.11 or later; found: $$(python3 --version 2>&1 || true)." \
		"On Debian: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module." \
		"On Debian: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-run: pyproject.toml | $(BIN)/python
	$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[test]'
	$(PIP) install --no-deps nemo_toolkit==3.0.0 # its loaders need none of the gigabyte that it requires
	$(PIP) install --no-deps --upgrade --target $(VENV)/lhotse-next lhotse==2.0.0a7 # beside the released one
	@touch $@ $(VENV)/.installed-run

$(VENV)/.installed-bench: pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[test,bench]'
	@touch $@ $(VENV)/.installed-test $(VENV)/.installed-run
