# Everything runs inside .venv: no target needs an activated environment.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
DATA ?= lf_wordnet_8k
SUITE ?= main
PIP_INSTALL := $(BIN)/python -m pip install --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup train test test-slow fuzz compatibility lint reproduce bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo 'train, test, fuzz, compatibility and bench hand ARGS on: make train ARGS="experiment=eclare seed=1"'

setup: $(INSTALLED) ## Create .venv and install the package and its tools at the tested versions

# torch by itself first: the rest then takes whichever build of it is there, CPU or CUDA.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "xcgraph needs Python 3.11 or newer; name one: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) torch
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $@

train: $(INSTALLED) ## Train ECLARE end to end on the embedded data set LF-WordNet-8K, on the CPU
	$(BIN)/xcgraph-train $(ARGS)

test: $(INSTALLED) ## Run the tests, without those marked slow
	$(BIN)/pytest -m 'not slow' $(ARGS)

test-slow: $(INSTALLED) ## Run the tests that train for real
	$(BIN)/pytest -m slow $(ARGS)

# One thread: what threads spin while they wait for a core would count as an input's time.
fuzz: $(INSTALLED) ## Give hostile input to everything that reads a file (ARGS="--inputs 1000000 --seed 1")
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/python -m tests.fuzz $(ARGS)

compatibility: $(INSTALLED) ## Try other interpreters and the next Hydra, each in an environment of its own
	$(BIN)/python -m tests.compatibility $(ARGS)

lint: $(INSTALLED) ## Check style, format, types and import layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

reproduce: $(INSTALLED) ## Run a suite (SUITE=smoke|main|joint|options|full DATA=lf_wordnet_8k), report on it, compare with its records
	$(BIN)/xcgraph-reproduce --data $(DATA) --suite $(SUITE) $(ARGS)

bench: $(INSTALLED) ## Measure speed and memory beside a reference and other libraries, into benchmarks/out/
	$(BIN)/python -m benchmarks $(ARGS)

clean: ## Remove .venv, builds and caches; runs/ and artifacts/ stay
	rm -rf .venv .compatibility build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find src conf data_modules tests -name __pycache__ -prune -exec rm -rf {} +
