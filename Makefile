# Every command of the suite. `make` alone lists them. Each sets up what it needs, once.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: asyncapi drill upgrade help up down test scenario privacy fuzz faults compose-test lint types contracts format bench bench-test lock clean jars python web console browser

SETUP := deploy/local/setup.sh
BIN := .venv/bin
PYTEST_WORKERS ?= 2
PACKAGES := $(dir $(wildcard libs/*/pyproject.toml services/*/pyproject.toml gateway/pyproject.toml deploy/local/pyproject.toml))

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  \033[1mmake %-13s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: python jars console ## Start the whole suite: PostgreSQL, Kafka, four services, gateway, console, demo bank (DEMO=0: empty)
	@exec $(BIN)/kehu up $(ARGS)

down: python ## Stop the suite that runs from this folder
	@exec $(BIN)/kehu down

test: python jars console browser ## Run all tests, the console's too
	npm --prefix web run test --silent
	$(BIN)/pytest --numprocesses $(PYTEST_WORKERS) --dist loadgroup -m "not (bench or compose or drill or faults or personal or upgrade)" $(ARGS)

scenario: python jars console ## Run the first day's chain over a whole suite with the Berka bank
	$(BIN)/pytest -m chain tests/scenarios $(ARGS)

faults: python jars console ## Make a whole suite fail under load, one fault after the other and by chance (N=1000 SEED=7: the long form)
	$(if $(N),$(BIN)/python -m tests.faults --faults $(N) $(if $(SEED),--seed $(SEED)) $(ARGS),$(BIN)/pytest -m faults tests/faults $(ARGS))

privacy: python jars console ## Let people pass through a suite, load the demo bank, and look for all of them in what is kept and told
	$(BIN)/pytest -m personal tests/security $(ARGS)

fuzz: python ## Hold the services against calls made up from the API document (N=20000 SEED=7: more, and others)
	KEHU_TEST_FUZZ=$(or $(N),2000) KEHU_TEST_FUZZ_SEED=$(or $(SEED),1) $(BIN)/pytest -m fuzz tests/security $(ARGS)

compose-test: python ## Build the images and try the suite of containers: hardening, scenario, faults (needs Docker with Compose v2)
	$(BIN)/pytest -m compose tests/compose $(ARGS)

drill: python jars console ## Back up a whole suite under writes, destroy it, restore it, verify it
	$(BIN)/pytest -m drill tests/operations $(ARGS)

upgrade: python jars console ## Let the version before serve while this one migrates, then take its place and give it back (FROM=REF DEMO=1)
	KEHU_TEST_UPGRADE_FROM=$(FROM) KEHU_TEST_UPGRADE_DEMO=$(DEMO) $(BIN)/pytest -s -m upgrade tests/operations $(ARGS)

lint: python web ## Check style, imports and unused dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --config .importlinter --no-cache
	@for package in $(PACKAGES); do (cd $$package && $(CURDIR)/$(BIN)/deptry . --no-ansi) || exit 1; done
	npm --prefix web run lint --silent

types: python web ## Check types
	@failed=; for part in $(PACKAGES) deploy/docker tests bench; do $(BIN)/mypy $$part || failed=1; done; [ -z "$$failed" ]
	npm --prefix web run types --silent

contracts: python web ## Write what is generated: schemas, AsyncAPI, docs/events.md, thresholds of alerts, the API document, the console's types
	$(BIN)/python -m kehu_contracts generate
	$(BIN)/python -m kehu_local.alerts
	$(BIN)/python -m kehu_local.openapi web/openapi.json
	npm --prefix web run api --silent

asyncapi: ## Hold the event document against AsyncAPI's own parser (fetches 55 MB of packages once)
	npm --prefix libs/contracts/validate ci --silent
	npm --prefix libs/contracts/validate run check --silent

format: python web ## Format everything
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix --quiet .
	npm --prefix web run format --silent

bench: python jars console ## Measure against the budgets (ARGS=relay: one of them; ARGS=--quick: only that they run)
	$(BIN)/python -m bench $(ARGS)

bench-test: python jars console ## Show that every benchmark runs
	$(BIN)/pytest -m bench tests/bench $(ARGS)

lock: python ## Resolve the Python packages and the broker's jars anew (needs uv)
	@command -v uv >/dev/null || { echo "kehu: uv was not found. Install it (pip install uv) and run the same command again." >&2; exit 1; }
	$(BIN)/python deploy/local/requirements.py | uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet --output-file requirements.lock -
	$(BIN)/python -m kehu_local.jars lock .local/jars

clean: ## Remove what the commands made, but no data
	rm -rf .venv web/node_modules web/dist .local/jars .local/browser .local/browsers .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python jars web console browser:
	@$(SETUP) $@
