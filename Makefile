# Field gateway. `make` alone lists the targets.
#   PYTHON=python3.12 make install   another interpreter (3.11 or later)
#   make run ARGS="--reports 2000"   options for `gateway demo`
#   make fuzz ARGS="frames --runs 1000000"   one target; more inputs

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
LOCK := UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip compile --universal --python-version 3.11 \
	--generate-hashes --no-strip-extras --no-header --no-annotate --no-emit-index-url --quiet

# pip must not read a platform's answer to "is there a newer pip", nor ask questions.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DEFAULT_GOAL := help
.PHONY: help install run test lint format bench flood chaos fuzz defences audit lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## prepare .venv (quick when nothing changed)

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is older than Python 3.11: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --editable .
	@touch $@

run: install ## start database, broker, gateway and 773 handsets; play the quarter
	$(BIN)/gateway demo $(ARGS)

test: install ## all tests
	$(BIN)/python -m pytest $(ARGS)

lint: install ## style, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(wildcard gateway device_sim tests bench chaos fuzz scripts examples)

format: install ## rewrite the sources in the common format
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: install ## measure speed and bytes
	$(BIN)/python -m bench $(ARGS)

flood: install ## flood a gateway and see what honest handsets notice
	$(BIN)/python -m bench.flood $(ARGS)

defences: install ## take each defence out and see its test fail
	$(BIN)/python -m scripts.remove_defences $(ARGS)

audit: install ## ask a public list of known holes about each pinned package; needs a network
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet 'pip-audit>=2.9,<3'
	$(VENV)/audit/bin/pip-audit --disable-pip --require-hashes -r requirements/dev.txt -r requirements/build.txt

chaos: install ## break everything and look what is lost
	$(BIN)/python -m chaos $(ARGS)

fuzz: install $(VENV)/fuzzer ## hostile input for everything that parses
	$(BIN)/python -m fuzz $(ARGS)

$(VENV)/fuzzer: requirements/fuzz.txt $(STAMP)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/fuzz.txt
	@touch $@

lock: install ## resolve the dependencies anew, into requirements/
	$(BIN)/python -m pip install --quiet uv
	$(LOCK) pyproject.toml --output-file requirements/run.txt
	$(LOCK) pyproject.toml --extra demo --extra dev --constraint requirements/run.txt \
		--output-file requirements/dev.txt
	$(LOCK) --group build --constraint requirements/dev.txt --output-file requirements/build.txt
	$(LOCK) --group fuzz --constraint requirements/dev.txt --output-file requirements/fuzz.txt

clean: ## remove what the other targets made, except var/ (your data)
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage htmlcov dist \
		tests/asyncapi/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
