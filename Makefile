# Everything runs from .venv, made from requirements.lock. `make` alone lists the targets.
PYTHON := $(or $(PYTHON),$(shell command -v python3.11 || command -v python3))
BIN := .venv/bin
RUN := $(BIN)/python -m
PIP := $(RUN) pip --disable-pip-version-check
READY := .venv/installed

.DEFAULT_GOAL := help
.PHONY: help install demo test acceptance lint bench lab browser lock clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(READY) ## Make .venv from requirements.lock (again only when that or pyproject.toml changed)

# -qq keeps errors and drops warnings: pip warns once per package about folders that a machine's own settings name.
# The build backend is in the lock, so nothing is fetched beyond it.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' \
	  || { echo "Python 3.11 to 3.14 is needed; name one with: make PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	@echo "Installing $$(grep -c '^[a-z]' requirements.lock) locked packages into .venv (a minute or three)"
	@$(PIP) install -qq --require-hashes -r requirements.lock
	@$(PIP) install -qq --no-deps --no-build-isolation -e .
	@touch $@

demo: install ## From nothing to a gallery of rendered GameDay reports
	@$(BIN)/resilience demo

test: install browser ## The whole suite at reduced size
	@$(RUN) pytest -n auto --dist loadfile --no-loadscope-reorder

acceptance: install browser ## The suite at the sizes that issues state
	@RESILIENCE_ACCEPTANCE=1 $(RUN) pytest -n auto --dist loadfile --no-loadscope-reorder

lint: install ## ruff and mypy
	@$(RUN) ruff check
	@$(RUN) ruff format --check
	@$(RUN) mypy

bench: install ## Measure, and compare with the numbers kept in benchmarks/
	@$(RUN) benchmarks

lab: install ## Open the notebooks in JupyterLab, on the demo store where there is no other
	@test -d data/store || $(BIN)/resilience demo
	@$(RUN) jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) --LabApp.default_url=/lab/tree/notebooks

browser: ## Debian's chromium for the browser tests (installed where you are root)
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Debian's chromium"; \
	  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends \
	    chromium fonts-liberation >/dev/null; } || echo "No chromium: browser tests will be skipped"; \
	else echo "No chromium: browser tests will be skipped (on Debian: sudo apt-get install chromium)"; fi

lock: ## Resolve requirements.lock anew from pyproject.toml
	@$(PYTHON) -m venv --clear build/uv
	@build/uv/bin/python -m pip --disable-pip-version-check install -qq uv
	build/uv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --extra dev pyproject.toml -o requirements.lock

clean: ## Remove what was built here, .venv too; data/ and reports/ stay
	rm -rf .venv build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache test-results
	find resilience tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
