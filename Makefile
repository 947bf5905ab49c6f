PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
STAMP := $(VENV)/.compiled
MACHINE_CODE := actors/*.so budget/*.so orchestrator/*.so

.PHONY: setup audit test test-slow lint types contracts pure clean

$(INSTALLED): pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Muster needs Python 3.11 to 3.13, {sys.executable} is {v[0]}.{v[1]}; say PYTHON=/path/to/python3.12")'
	$(PYTHON) -m venv $(VENV)
	# A folder named budget or jobs where somebody works must not hide ours: by its path, this one comes before it.
	MUSTER_COMPILE=0 $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--config-settings editable_mode=compat --editable '.[dev]'
	touch $@

# What runs for each sub-agent, as machine code beside its source; without a C compiler it stays Python, and is slower.
# It relies on the types of what is not compiled, too: any source makes it old.
$(STAMP): $(INSTALLED) setup.py $(shell find actors budget orchestrator -name '*.py')
	rm -f $(MACHINE_CODE)
	$(BIN)/python setup.py --quiet build_ext --inplace >$(VENV)/compile.log 2>&1 || { cat $(VENV)/compile.log; exit 1; }
	# What needed no new compiling is copied with its old date, and would count as old.
	@touch -c $(MACHINE_CODE)
	@ls budget/compiled__mypyc*.so >/dev/null 2>&1 || echo 'Not compiled, and so slower: $(VENV)/compile.log says why'
	touch $@

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

# All of it as Python again, for a debugger to step through; until a source has changed.
pure: $(INSTALLED)
	rm -f $(MACHINE_CODE)
	touch $(STAMP)

clean:
	rm -rf $(VENV) build *.egg-info $(MACHINE_CODE) runs sample
