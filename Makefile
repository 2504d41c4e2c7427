# Every target sets up what it needs: a virtual environment in .venv, packages from the index.
PYTHON ?= python3
BIN := .venv/bin
EXTRAS ?= dev
# One stamp for each set of extras: another set is installed when it is asked for.
STAMP := .venv/.installed-$(EXTRAS)

.DEFAULT_GOAL := help
.PHONY: help install demo test lint format type bench quality scale fuzz clean

help: ## Show this list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]'
	@touch $@

install: $(STAMP) ## Set up .venv with everything that development needs.

demo: $(STAMP) ## Run the main job on Python's own standard library.
	$(BIN)/zipsel demo

test: $(STAMP) ## Run the tests.
	$(BIN)/python -m pytest -n auto

lint: $(STAMP) ## Check style; changes nothing.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## Put style right.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(STAMP) ## Check types.
	$(BIN)/mypy

bench: $(STAMP) ## Measure speed and memory against limits and peers (README, Speed).
	$(BIN)/python scripts/bench.py

quality: $(STAMP) ## Measure choice against peers (hours; QUICK=1 for one target in minutes).
	$(BIN)/python scripts/quality.py $(if $(QUICK),--quick)

scale: $(STAMP) ## Measure what a pool beyond one machine costs, and extrapolate.
	$(BIN)/python scripts/scale.py

fuzz: $(STAMP) ## Fuzz readers and templates for ten minutes.
	$(BIN)/python scripts/fuzz.py

clean: ## Remove everything that a command can make again.
	rm -rf .venv build dist zipsel-demo .zipsel .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
