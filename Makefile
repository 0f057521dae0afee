# Everything a newcomer needs: `make run`, `make test`. Each target sets itself up first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LISTEN ?= 127.0.0.1:7447
DATA ?= ./data

# hnswlib is built from source; without this it would only run on processors like the one it was built on.
export HNSWLIB_NO_NATIVE := 1

.PHONY: run test lint bench shots setup lock typescript clean

run: $(VENV)/.ready
	$(BIN)/tidings serve --listen $(LISTEN) --data $(DATA)

# Python keeps what it compiled, also where the surroundings say otherwise: every relay that the tests start would compile it all again.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/.ready-dev
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.ready-dev
	$(BIN)/python -m bench $(ARGS)

# A picture of every page in both themes and three sizes, in shots/; ARGS="feed thread" makes those alone.
shots: $(VENV)/.ready-dev
	$(BIN)/python -m tests.shots $(ARGS)

setup: $(VENV)/.ready-dev

$(VENV)/bin/python:
	@sh .ci/prerequisites $(PYTHON)
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: pyproject.toml requirements.lock | $(VENV)/bin/python
	@$(BIN)/python .ci/install.py requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.ready-dev: requirements-dev.lock $(VENV)/.ready
	@$(BIN)/python .ci/install.py requirements-dev.lock
	@touch $@

# Build the npm package in typescript/: its types come from the API as this tree describes it.
typescript: $(VENV)/.ready
	$(BIN)/python typescript/openapi.py
	cd typescript && npm ci --no-audit --no-fund --ignore-scripts && npm run build

# Refresh the lock files from pyproject.toml.
lock: $(VENV)/.ready-dev
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --extra build --output-file requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --extra build --extra dev --extra mcp --extra minilm --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
