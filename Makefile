# Every target does its own set-up first; nothing else needs typing. `make` alone lists them.
#
#   PYTHON=python3.12     another Python to build the environment with
#   ARGS="-k ledger -x"   passed on to what the target runs
#   WORKERS=1             how many tests run at once
#   BURNISH_ENGINE=cpu    do not use the NVIDIA GPU that is there

PYTHON ?= python3
ARGS ?=
WORKERS ?= 2
PY := .venv/bin/python
BURNISH := .venv/bin/burnish

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup clients dashboard frontend browser demo up test fuzz bench faults check lint format types imports generated migrations clean

help: ## List the targets
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## Build .venv from constraints.txt, for the GPU if this machine has one, else for the CPU
	@$(PYTHON) scripts/setup.py

# The published clients that the contract tests drive, each in an environment of its own.
clients: setup
	@$(PY) scripts/clients.py

# Built again where anything that it is made of has changed.
dashboard: setup ## Build the dashboard that the API serves
	@$(PY) scripts/dashboard.py build

# A Chromium for the tests that look at it.
browser: setup
	@$(PY) scripts/browser.py

demo: setup dashboard ## Train a small model on a reward, deploy it, call it (QUICK=1: the tiny one, in 2 minutes)
	$(BURNISH) demo $(if $(filter-out 0,$(QUICK)),--quick) $(ARGS)

up: setup dashboard ## Start the platform on this machine and leave it running
	$(BURNISH) up $(ARGS)

test: setup clients dashboard browser ## Run the tests
	@$(PY) scripts/dashboard.py test
	$(PY) -m pytest -q -n $(WORKERS) --no-loadscope-reorder --ignore=tests/faults $(ARGS)

# Schemathesis for long: some 20,000 requests made of the description of REST, and 10,000 operations of GraphQL.
fuzz: setup
	$(PY) -m tests.contract.fuzzing --max-examples=$(or $(EXAMPLES),300) $(ARGS)
	$(PY) -m tests.contract.fuzzing --graphql --max-examples=$(or $(EXAMPLES),300) $(ARGS)

bench: setup dashboard browser ## Measure speed and print the numbers
	$(PY) -m benchmarks $(ARGS)

ifneq ($(wildcard tests/faults),)
# Kills every part of a running platform in turn, to see that nothing is lost.
faults: setup
	$(PY) -m pytest -q tests/faults $(ARGS)
endif

check: lint format types imports generated migrations frontend ## Run everything that judges the code without running it
	@echo "make check: all good"

lint: setup
	$(PY) -m ruff check .

format: setup
	$(PY) -m ruff format --check .

types: setup
	$(PY) -m mypy

imports: setup
	.venv/bin/lint-imports --no-logo

# The committed GraphQL schema and OpenAPI description are what the code says.
generated: setup
	$(PY) -m schema.export --check
	$(PY) -m rest_compat.export --check

# The migrations build exactly what the models say, on SQLite and on Postgres.
migrations: setup
	$(PY) -m models.migrations.check

# Types, format and lint of the dashboard.
frontend: setup
	@$(PY) scripts/dashboard.py check

clean: ## Remove the environment and every cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
