# Everything runs in .venv, which is created when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := $(VENV)/tools
SPARK := $(VENV)/spark
MARQUEE_HOST ?= 127.0.0.1
MARQUEE_PORT ?= 8501
TEST_WORKERS ?= 2
export MARQUEE_HOST MARQUEE_PORT

# Installs only files whose hash is listed. requirements-build.txt has what scikit-surprise is built with.
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation
# A broken link is an error. The notice about the successor of MkDocs is not.
MKDOCS := NO_MKDOCS_2_WARNING=1 PYTHONPATH=. $(BIN)/mkdocs build --strict
LOCKED := requirements requirements-build requirements-demo requirements-dev requirements-bench requirements-spark requirements-tools

.PHONY: run setup spark test test-long coverage check api docs hooks audit lock bench clean

run: $(VENV)/.run
	$(BIN)/python app.py

setup: $(VENV)/.run

# Apache Spark, which trains `als`. It runs on Java 17.
spark: $(SPARK)/.ready
	@command -v java >/dev/null || { echo "Spark is installed, but needs Java 17: on Debian and Ubuntu, apt-get install openjdk-17-jre-headless"; exit 1; }

test: $(VENV)/.dev $(SPARK)/.ready check
	$(BIN)/python -m pytest -n $(TEST_WORKERS)

test-long: $(VENV)/.dev $(SPARK)/.ready
	$(BIN)/python -m pytest -m long

# Coverage of the fast tests, in half as much time again as they take alone. Fails below the floor in pyproject.toml.
coverage: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(TEST_WORKERS) -m "not long and not slow and not browser" --cov --cov-report=term

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.licences
	$(BIN)/python -m tools.reference --check
	$(MKDOCS) --site-dir $(VENV)/site

# Writes docs/api.md from the OpenAPI document.
api: $(VENV)/.dev
	$(BIN)/python -m tools.reference

# The documentation as a site, in site/.
docs: $(VENV)/.dev
	$(MKDOCS)

# Runs `make check` before each commit.
hooks: $(TOOLS)/.ready
	$(TOOLS)/bin/pre-commit install

# Looks up known vulnerabilities of every pinned package. --strict: a package that can't be looked up is a failure.
audit: $(TOOLS)/.ready
	$(TOOLS)/bin/pip-audit --strict --disable-pip --progress-spinner off $(LOCKED:%=-r %.txt) || { \
	    echo "Audit failed: a pinned package has a known vulnerability (see above), or the advisory service could not be reached."; exit 1; }

# Resolves requirements*.in into requirements*.txt. Versions that still fit are kept.
lock: $(TOOLS)/.ready
	for name in $(LOCKED); do \
	    $(TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $$name.in --output-file $$name.txt || exit 1; \
	done

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Marquee needs Python 3.11 or newer. Choose one with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
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

$(SPARK)/.ready: requirements-spark.txt requirements-build.txt | $(VENV)/bin/python
	$(PYTHON) -m venv $(SPARK)
	$(SPARK)/bin/python $(PIP_INSTALL) -r requirements-build.txt
	$(SPARK)/bin/python $(PIP_INSTALL) -r requirements-spark.txt
	touch $@

clean:
	rm -rf $(VENV) site .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
