PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup audit test test-slow lint types contracts clean

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Muster needs Python 3.11 to 3.13, {sys.executable} is {v[0]}.{v[1]}; say PYTHON=/path/to/python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(STAMP)

setup: $(STAMP)

audit: $(STAMP)
	$(BIN)/muster sample sample --services 40 --seed 7
	$(BIN)/muster audit sample/catalog-info.yaml --run-dir runs/sample

lint: $(STAMP)
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports

test: lint types contracts
	$(BIN)/pytest -m 'not slow' -n 2 --dist loadfile tests/core tests/sim tests/jobs
	$(BIN)/pytest -m 'not slow' tests/ray

test-slow: $(STAMP)
	$(BIN)/pytest

clean:
	rm -rf $(VENV) build *.egg-info runs sample
