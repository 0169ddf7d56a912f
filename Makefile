# Everything runs in .venv, which the targets make when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MARQUEE_HOST ?= 127.0.0.1
MARQUEE_PORT ?= 8501
TEST_WORKERS ?= 2
export MARQUEE_HOST MARQUEE_PORT

.PHONY: run setup test test-long check bench clean

run: $(VENV)/.run
	$(BIN)/python app.py

setup: $(VENV)/.run

test: $(VENV)/.dev check
	$(BIN)/python -m pytest -n $(TEST_WORKERS)

test-long: $(VENV)/.dev
	$(BIN)/python -m pytest -m long

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Marquee needs Python 3.11 or newer; say which with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -c 'from engine.services.rehearsal import rehearse; rehearse()'
	touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

$(VENV)/.bench: requirements-bench.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
