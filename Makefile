# Every target sets up what it needs: Python 3.11 or newer, make and git are enough.

PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell \
	command -v $(name) >/dev/null 2>&1 && \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
VENV := .venv
BIN  := $(VENV)/bin
CORE := $(VENV)/.core
DEV  := $(VENV)/.dev
PIP  := $(BIN)/python -m pip install --quiet --disable-pip-version-check

ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test slow check bench docs clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: $(CORE) ## ask questions and watch events flow (ARGS="--ask '...'" for your own)
	@$(BIN)/vagus demo $(ARGS)

test: $(DEV) ## run the tests on all cores, and hold the deciding rooms to full coverage (ARGS="-n 0" for one process)
	$(BIN)/python -m pytest -m "not slow" -n auto --maxprocesses 4 --dist worksteal --cov --cov-report=term --cov-report=json:$(VENV)/coverage.json $(ARGS)
	$(BIN)/python -m tools.coverage_gate $(VENV)/coverage.json

slow: $(DEV) ## run the long tests: faults, simulation, conformance at length
	$(BIN)/python -m pytest -m slow $(ARGS)

check: $(DEV) ## lint, format, types, laws between rooms, spelling, shape, generated pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src
	$(BIN)/mypy tools
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m tools.shape src/vagus
	$(BIN)/python -m tools.pages --check

bench: $(CORE) ## measure how fast it is here, beside the same job written by hand (ARGS="--workload W1")
	@$(BIN)/vagus bench $(ARGS)

docs: $(DEV) ## write the generated pages of docs/ anew
	$(BIN)/python -m tools.pages

clean: ## remove what the other targets made
	rm -rf $(VENV) .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "vagus needs Python 3.11 or newer; none was found. hint: make PYTHON=/path/to/python3.12 demo"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "hint: Debian and Ubuntu keep venv in a package of its own: apt install python3-venv"; exit 1; }

$(CORE): pyproject.toml | $(BIN)/python
	@echo "setting up vagus in $(VENV) (once) ..."
	@$(PIP) --editable .
	@touch $@

$(DEV): pyproject.toml | $(BIN)/python
	@echo "setting up vagus and its test tools in $(VENV) (once) ..."
	@$(PIP) --editable '.[dev]'
	@touch $@ $(CORE)
