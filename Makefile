# Every target sets up what it needs: a virtual environment in .venv, packages from the index.
PYTHON ?= python3
BIN := .venv/bin
CORE := .venv/.installed-core
STAMP := .venv/.installed
EXTRAS := dev,peers,browser,integrations

# What tests run beside Python, each with its Debian package, and the emulator of Azure's store.
PROGRAMS := chromedriver:chromium-driver java:default-jre-headless npm:npm
AZURITE := .venv/azurite
AZURITE_VERSION := 3.35.0

# The lowest declared Python, or the one that is here, and the lowest declared version of each package.
LOWEST := .venv-lowest
LOWEST_PYTHON := $(or $(shell command -v python3.11),$(PYTHON))

.DEFAULT_GOAL := help
.PHONY: help install programs demo test test-fast test-lowest lint format type bench quality pictures scale fuzz mutants clean

help: ## Show this list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(CORE): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]'
	@touch $@

$(LOWEST)/.installed: pyproject.toml
	$(LOWEST_PYTHON) -m venv --clear $(LOWEST)
	grep -oE '"[A-Za-z0-9-]+>=[0-9.]+"' pyproject.toml | tr -d '"' | sed 's/>=/==/' | sort -u \
	  > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet --constraint $(LOWEST)/constraints.txt --editable '.[test]'
	@touch $@

install: $(STAMP) ## Set up .venv with everything that development needs (Ray, Spark: 3 GB).

demo: $(CORE) ## Run the main job on Python's own standard library.
	$(BIN)/zipsel demo

programs: $(STAMP) # As root on Debian, install what is missing; without it, tests are skipped and say so.
	@missing=; for pair in $(PROGRAMS); do \
	  command -v $${pair%:*} > /dev/null || missing="$$missing $${pair#*:}"; done; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	  echo "apt-get install$$missing"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y -qq --no-install-recommends $$missing > /dev/null; fi || true
	@test -x $(AZURITE)/node_modules/.bin/azurite-blob || npm install --silent --no-audit --no-fund \
	  --omit=optional --prefix $(AZURITE) azurite@$(AZURITE_VERSION) || true

test: $(STAMP) programs ## Run all tests; what is skipped is listed with the reason.
	$(BIN)/python -m pytest -n auto

test-fast: $(STAMP) ## Run the tests of single modules, in under two minutes.
	$(BIN)/python -m pytest -n auto tests/unit tests/api tests/selection tests/golden

test-lowest: $(LOWEST)/.installed ## Run the tests that need no extras on the lowest declared versions.
	$(LOWEST)/bin/python -m pytest -n auto

lint: $(STAMP) ## Check style; changes nothing.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## Put style right.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(STAMP) ## Check types.
	$(BIN)/mypy
	$(BIN)/pyright tests/api/typed_example.py

bench: $(STAMP) ## Measure speed and memory against limits and peers (README, Speed).
	$(BIN)/python scripts/bench.py

quality: $(STAMP) ## Measure choice against peers (hours; QUICK=1 for one target in minutes).
	$(BIN)/python scripts/quality.py $(if $(QUICK),--quick)

pictures: $(STAMP) ## Take small pictures of the pages for scripts/results (needs Chromium).
	$(BIN)/python scripts/pictures.py

scale: $(STAMP) ## Measure what a pool beyond one machine costs, and extrapolate.
	$(BIN)/python scripts/scale.py

fuzz: $(STAMP) ## Fuzz readers and templates for ten minutes.
	$(BIN)/python scripts/fuzz.py

mutants: $(STAMP) ## Break the package in small ways, one by one: does a test notice?
	$(BIN)/python scripts/mutants.py

clean: ## Remove everything that a command can make again.
	rm -rf .venv $(LOWEST) build dist zipsel-demo .zipsel .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
