# Every target sets up .venv by itself. PYTHON chooses the interpreter that it is made with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# pip would compile every file of every package; Python compiles what it imports, and keeps it.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
export PYTHONDONTWRITEBYTECODE :=
RUN_STAMP := $(VENV)/.run-installed
DEV_STAMP := $(VENV)/.dev-installed
FULL_STAMP := $(VENV)/.full-installed
SOURCES := pyproject.toml constraints.txt

# The service: see docs/how-to/service.md. EXTRA=gpu for CUDA and TensorRT; PURGE=1 lets uninstall forget configuration and state.
PREFIX ?= /usr/local
EXTRA ?= cpu
SYSTEM_PYTHON ?= /usr/bin/python3
UNIT_DIR ?= /usr/local/lib/systemd/system
CONFIG_DIR := /etc/aegan-monitor
LIB := $(PREFIX)/lib/aegan-monitor
MAN := $(PREFIX)/share/man/man1/aegan-monitor.1
BASH_COMPLETION := $(PREFIX)/share/bash-completion/completions/aegan-monitor
ZSH_COMPLETION := $(PREFIX)/share/zsh/site-functions/_aegan-monitor
FISH_COMPLETION := $(PREFIX)/share/fish/vendor_completions.d/aegan-monitor.fish
UNITS := aegan-monitor.service aegan-monitor@.service
PRINT_NODE := import socket; from aegan_monitor.config.names import make_name; print(make_name(socket.gethostname()))
SYSTEMCTL := $(if $(wildcard /run/systemd/system),systemctl,@true)

# Recordings for tests and the bench, never part of the project.
AEGAN_DATA ?= ../shared/data
SEEDS ?= 3

# Most integration tests wait: five workers for two cores.
WORKERS ?= $(shell expr 5 \* $$(nproc) / 2)
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --durations 15
# Three nodes of a cluster keep both cores busy: its tests run alone, and first.
ALONE := tests/train/fleet/test_ray.py
ALL_TESTS := $(BIN)/python -m pytest $(ALONE) && $(PYTEST) --deselect $(ALONE)

.PHONY: demo demo-live test test-unit test-full check quality wheel release clean demo-bundle generate install uninstall
.DELETE_ON_ERROR:

demo: $(RUN_STAMP)  ## the main job on embedded parts, to the subscriber's alarm, with the page meanwhile
	$(BIN)/aegan-monitor demo

demo-live: $(RUN_STAMP)  ## three pumps and the page until Ctrl-C; break and repair a bearing from the page
	$(BIN)/aegan-monitor demo --live

test: $(DEV_STAMP)  ## every test whose parts are on this machine, chaos at a tenth (AEGAN_CHAOS=0.1)
	$(ALL_TESTS)

test-unit: $(DEV_STAMP)  ## the inner loop: no process, no torch, no outside part
	$(PYTEST) -m unit

test-full: $(DEV_STAMP) $(FULL_STAMP)  ## the same as test with all of the chaos, with OpenVINO, Ray and S3
	export AEGAN_CHAOS=1; $(ALL_TESTS)

check: $(DEV_STAMP)  ## lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

quality: $(DEV_STAMP)  ## train and evaluate every row of the quality bench: build/quality (SEEDS=1 for a first look)
	$(BIN)/aegan-train bench --data $(AEGAN_DATA) --seeds $(SEEDS)

wheel: | $(VENV)/bin/python  ## dist/*.whl
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

release: $(DEV_STAMP)  ## dist/: sdist and wheel of the last commit; the wheel is built from the sdist
	@test -z "$$(git status --porcelain)" || { echo "make release: there are changes that are not committed: commit or stash them" >&2; exit 1; }
	rm -rf dist build/release
	mkdir -p build/release
	git archive HEAD | tar --extract --directory build/release
	$(BIN)/python -m build --outdir dist build/release
	rm -rf build/release

demo-bundle: $(DEV_STAMP)  ## train the built-in bundle again
	$(BIN)/python -m aegan_export.demo_bundle

generate: $(DEV_STAMP)  ## schemas from code
	$(BIN)/python docs/generate/write.py

install:  ## as root: the daemon as a service of systemd
	@test "$$(id -u)" = 0 || { echo "make install: needs root: sudo make install" >&2; exit 1; }
	@case "$$($(SYSTEM_PYTHON) -c 'import sys; print(sys.base_prefix)')" in /root/*|/home/*) \
	  echo "make install: SYSTEM_PYTHON=$(SYSTEM_PYTHON) lies in a home, where no service can read it: name another" >&2; exit 1;; esac
	umask 022 && $(SYSTEM_PYTHON) -m venv $(LIB)
	@# Two runtimes in one environment overwrite each other.
	@$(LIB)/bin/python -m pip uninstall --quiet --yes $(if $(filter gpu,$(EXTRA)),onnxruntime,onnxruntime-gpu) 2>/dev/null
	umask 022 && $(LIB)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt '.[$(EXTRA)]'
	install -d $(PREFIX)/bin $(UNIT_DIR) $(CONFIG_DIR)
	ln -sfn $(LIB)/bin/aegan-monitor $(PREFIX)/bin/aegan-monitor
	ln -sfn "$$($(LIB)/bin/python -c 'from aegan_monitor.detection.bundle import demo_bundle; print(demo_bundle())')" $(LIB)/demo-bundle
	for unit in $(UNITS); do \
	  sed 's|/usr/local/lib/aegan-monitor|$(LIB)|' systemd/$$unit | install -m 644 /dev/stdin $(UNIT_DIR)/$$unit; done
	for shell in bash zsh fish; do $(LIB)/bin/aegan-monitor completion $$shell > $(LIB)/completion.$$shell || exit 1; done
	umask 022 && install -D -m 644 docs/man/aegan-monitor.1 $(MAN)
	umask 022 && install -D -m 644 $(LIB)/completion.bash $(BASH_COMPLETION)
	umask 022 && install -D -m 644 $(LIB)/completion.zsh $(ZSH_COMPLETION)
	umask 022 && install -D -m 644 $(LIB)/completion.fish $(FISH_COMPLETION)
	install -m 644 configs/monitor.schema.json $(CONFIG_DIR)
	test -e $(CONFIG_DIR)/monitor.yaml || sed -e 's|name: pump  |name: demo  |' \
	  -e "s|^# node: pump-house |node: \"$$($(LIB)/bin/python -c '$(PRINT_NODE)')\" |" \
	  -e 's|bundle: /var/lib.*|bundle: $(LIB)/demo-bundle  # knows the demo'"'"'s pump alone: put your own machine'"'"'s here|' \
	  configs/monitor.yaml | install -m 644 /dev/stdin $(CONFIG_DIR)/monitor.yaml
	$(SYSTEMCTL) daemon-reload
	@echo "Installed. Edit $(CONFIG_DIR)/monitor.yaml, then: systemctl enable --now aegan-monitor (one that runs: systemctl restart aegan-monitor)"

uninstall:  ## as root: all that install made, but not configuration and state
	@test "$$(id -u)" = 0 || { echo "make uninstall: needs root: sudo make uninstall" >&2; exit 1; }
	@test ! -e $(LIB) || test -e $(LIB)/pyvenv.cfg || { echo "make uninstall: $(LIB) is no environment of make install" >&2; exit 1; }
ifneq ($(wildcard $(LIB)),)
	@# A pattern matches what is there, so nothing to stop is no error.
	$(SYSTEMCTL) stop 'aegan-monitor[.]service' 'aegan-monitor@*.service'
	-$(SYSTEMCTL) disable --quiet $(UNITS)
	rm -rf $(LIB)
	rm -f $(PREFIX)/bin/aegan-monitor $(MAN) $(BASH_COMPLETION) $(ZSH_COMPLETION) $(FISH_COMPLETION) $(addprefix $(UNIT_DIR)/,$(UNITS))
	$(SYSTEMCTL) daemon-reload
	@echo "Uninstalled."
else
	@echo "Nothing is installed in $(LIB)."
endif
ifeq ($(PURGE),1)
	@test ! -e $(UNIT_DIR)/aegan-monitor.service || { \
	  echo "make uninstall: $(UNIT_DIR)/aegan-monitor.service is there: uninstall with its PREFIX first" >&2; exit 1; }
	rm -rf $(CONFIG_DIR) /var/lib/aegan-monitor* /var/lib/private/aegan-monitor*
else
	@echo "Left as they are: $(CONFIG_DIR), /var/lib/aegan-monitor* (make uninstall PURGE=1 removes them too)"
endif

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The demo needs no torch: it is ready in seconds.
$(RUN_STAMP): $(SOURCES) | $(VENV)/bin/python
	$(PIP) --editable '.[cpu,demo]'
	touch $@

# The collection compiles what tests import, once and not in each worker.
$(DEV_STAMP): $(SOURCES) | $(VENV)/bin/python
	$(PIP) --editable '.[cpu,train,export,demo,plot,dev]'
	-$(BIN)/python -m pytest --collect-only --quiet >/dev/null
	touch $(RUN_STAMP) $@

# 600 MB, for the tests with the markers openvino, ray and s3 alone (moto is an S3 on loopback): CI and the full run have it.
$(FULL_STAMP): $(SOURCES) | $(DEV_STAMP)
	$(PIP) --editable '.[openvino,fleet,s3]' moto flask flask-cors
	touch $@
