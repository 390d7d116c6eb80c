# All targets use .venv; you need not activate it.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
DATA ?= lf_wordnet_8k
SUITE ?= main
WORKERS ?= logical
PIP_INSTALL := $(BIN)/python -m pip install --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup train test test-slow fuzz compatibility lint reproduce bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo 'train, test, test-slow, fuzz, compatibility, reproduce and bench pass ARGS on: make train ARGS="experiment=eclare seed=1"'

setup: $(INSTALLED) ## Create .venv and install the package and its tools at the tested versions

# Install torch first, so that the other packages accept the installed build, CPU or CUDA.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "xcgraph needs Python 3.11 or newer; name one: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) torch
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $@

train: $(INSTALLED) ## Train ECLARE on the included dataset LF-WordNet-8K, on the CPU
	$(BIN)/xcgraph-train $(ARGS)

# Each worker is a process with one thread; more threads than cores would slow all workers down.
# A worker needs up to 2 GiB of memory, so there are at most 4.
test: $(INSTALLED) ## Run the tests on all cores, without the slow ones (WORKERS=0: in one process)
	OMP_NUM_THREADS=1 $(BIN)/pytest -m 'not slow' --numprocesses $(WORKERS) --maxprocesses 4 --dist worksteal $(ARGS)

test-slow: $(INSTALLED) ## Run the slow tests: full trainings, killed and resumed runs
	$(BIN)/pytest -m slow $(ARGS)

# One thread, because idle threads that spin would count towards the time of an input.
fuzz: $(INSTALLED) ## Feed hostile input to everything that reads a file (ARGS="--inputs 1000000 --seed 1")
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/python -m tests.fuzz $(ARGS)

compatibility: $(INSTALLED) ## Test other Python versions and the next Hydra, each in its own environment
	$(BIN)/python -m tests.compatibility $(ARGS)

lint: $(INSTALLED) ## Check style, format, types and import layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

reproduce: $(INSTALLED) ## Run a suite (SUITE=smoke|main|joint|options|full), write its report, compare with recorded results
	$(BIN)/xcgraph-reproduce --data $(DATA) --suite $(SUITE) $(ARGS)

bench: $(INSTALLED) ## Compare speed and memory with a reference and other libraries; writes benchmarks/out/
	$(BIN)/python -m benchmarks $(ARGS)

clean: ## Remove .venv, builds and caches; keep runs/ and artifacts/
	rm -rf .venv .compatibility build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find src conf data_modules tests -name __pycache__ -prune -exec rm -rf {} +
