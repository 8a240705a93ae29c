# make install | test | demo | run | chaos | bench | audit | fmt | lock
# PYTHON=python3.12 picks the interpreter, ARGS="…" goes to demo, run, chaos and bench, PYTEST_ARGS="…" to pytest.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTHON ?=
PYTEST_ARGS ?= -n 4 --dist loadgroup
# The tests start many processes: without the compiled files each would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help install test demo run chaos bench audit fmt lock
.DEFAULT_GOAL := help

help:
	@sed -n '1,2s/^# //p' Makefile

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@python=; for name in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
		if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Replydesk needs Python 3.11 or newer; found: $$(python3 --version 2>&1 || true)." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 2; \
	fi; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		"$$python" -m venv --clear $(VENV) || { \
			echo "No virtual environment could be made with $$python (on Debian: apt-get install python3-venv)." >&2; exit 2; }; \
	fi
	@$(PIP) install -qq -r requirements.lock
	@$(PIP) install -qq --no-deps --no-build-isolation -e .
	@touch $@

test: install
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(BIN)/pytest -q $(PYTEST_ARGS)

demo: install
	@exec $(BIN)/replydesk demo $(ARGS)

run: install
	@exec $(BIN)/replydesk run $(ARGS)

# Desks that are killed, frozen and cut off while 300 cases go through them: ARGS="--help" lists what can be set.
chaos: install
	@$(BIN)/python -m tests.chaos $(ARGS)

# The figures of docs/performance.md; ARGS=burst plays sixty reviews at once under Telegram's real limit (ten minutes).
bench: install
	@$(BIN)/python -m bench $(ARGS)

# Known holes in the locked versions. Asks a public database, hence no part of `make test`.
audit: install
	@tool=$$(mktemp -d) && trap 'rm -rf "$$tool"' EXIT && $(BIN)/python -m venv "$$tool" && "$$tool/bin/pip" install -qq pip-audit && \
	"$$tool/bin/pip-audit" --requirement requirements.lock --disable-pip --require-hashes

fmt: install
	$(BIN)/ruff check --fix --quiet
	$(BIN)/ruff format --quiet

# Every version pinned for Python 3.11 and later on each system. ARGS=--upgrade takes newer versions.
lock:
	@tool=$$(mktemp -d) && trap 'rm -rf "$$tool"' EXIT && python3 -m venv "$$tool" && "$$tool/bin/pip" install -qq uv && \
	"$$tool/bin/uv" pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" $(ARGS) pyproject.toml --output-file requirements.lock
