# Every target sets up .venv by itself. PYTHON chooses the interpreter that it is made with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
RUN_STAMP := $(VENV)/.run-installed
DEV_STAMP := $(VENV)/.dev-installed
SOURCES := pyproject.toml constraints.txt

.PHONY: demo test check wheel clean demo-bundle generate
.DELETE_ON_ERROR:

demo: $(RUN_STAMP)  ## the main job on embedded parts, to the subscriber's alarm
	$(BIN)/aegan-monitor demo

test: $(DEV_STAMP)  ## every test whose parts are on this machine
	$(BIN)/python -m pytest

check: $(DEV_STAMP)  ## lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

wheel: $(DEV_STAMP)  ## dist/*.whl
	$(BIN)/python -m build --installer pip --outdir dist .

demo-bundle: $(DEV_STAMP)  ## train the built-in bundle again
	$(BIN)/python -m aegan_export.demo_bundle

generate: $(DEV_STAMP)  ## schemas from code
	$(BIN)/python -m aegan_monitor.generated

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The demo needs no torch: it is ready in seconds.
$(RUN_STAMP): $(SOURCES) | $(VENV)/bin/python
	$(PIP) --editable '.[cpu,demo]'
	touch $@

$(DEV_STAMP): $(RUN_STAMP)
	$(PIP) --editable '.[cpu,train,export,demo,plot,dev]'
	touch $@
