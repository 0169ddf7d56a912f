# Everything runs in .venv, which the targets make when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := $(VENV)/tools
MARQUEE_HOST ?= 127.0.0.1
MARQUEE_PORT ?= 8501
TEST_WORKERS ?= 2
export MARQUEE_HOST MARQUEE_PORT

# Nothing is installed whose hash is not in the file. scikit-surprise is built with what requirements-build.txt installs.
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation
LOCKED := requirements requirements-build requirements-demo requirements-dev requirements-bench requirements-tools

.PHONY: run setup test test-long check audit lock bench clean

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
	$(BIN)/python -m tools.licences

# Known vulnerabilities of everything that is pinned. --strict: a package that can't be looked up is a failure.
audit: $(TOOLS)/.ready
	$(TOOLS)/bin/pip-audit --strict --disable-pip --progress-spinner off $(LOCKED:%=-r %.txt) || { \
	    echo "Audit failed: a pinned package has a known vulnerability (listed above), or the advisory service could not be asked."; exit 1; }

# Pins and hashes anew from requirements*.in, keeping the versions that still fit.
lock: $(TOOLS)/.ready
	for name in $(LOCKED); do \
	    $(TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $$name.in --output-file $$name.txt || exit 1; \
	done

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Marquee needs Python 3.11 or newer; say which with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt requirements-build.txt requirements-demo.txt | $(VENV)/bin/python
	$(BIN)/python $(PIP_INSTALL) -r requirements-build.txt
	$(BIN)/python $(PIP_INSTALL) -r requirements.txt -r requirements-demo.txt
	$(BIN)/python -c 'from engine.services.warmup import warm_up; warm_up()'
	touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(BIN)/python $(PIP_INSTALL) -r requirements-dev.txt
	touch $@

$(VENV)/.bench: requirements-bench.txt $(VENV)/.run
	$(BIN)/python $(PIP_INSTALL) -r requirements-bench.txt
	touch $@

$(TOOLS)/.ready: requirements-tools.txt | $(VENV)/bin/python
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python $(PIP_INSTALL) -r requirements-tools.txt
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
