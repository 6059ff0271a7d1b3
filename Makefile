# What a developer does here, one word each. Everything needed is installed on first use into .venv.

PYTHON ?= python3
BIN := .venv/bin
TYPED := schemas streams agents benchmarks deploy docs
ALL_CODE := $(TYPED) tests

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test soak lint format bench bench-peers measure kafka lock lock-peers

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 13

install: .venv/.project ## make .venv with the pinned dependencies and the headwater command

# Two stamps, so that a change of the project's own metadata does not reinstall its dependencies.
.venv/.dependencies: requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or later is needed: make PYTHON=python3.11 ...'; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

.venv/.project: .venv/.dependencies pyproject.toml
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: install ## watch a simulated company grow, live (ARGS="--seconds 20")
	$(BIN)/headwater demo $(ARGS)

# Compiled modules are kept whatever the environment says: the tests start some hundred processes.
test: install ## run every test (those of Kafka need java and mvn, or KAFKA_BOOTSTRAP_SERVERS)
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 3 --no-loadscope-reorder $(ARGS)

soak: install ## crash workers and broker for ten minutes (ARGS="crash --seconds 60 --seed 1")
	$(BIN)/python -m tests.soak $(ARGS)

lint: install ## check style, formatting and types
	$(BIN)/ruff check $(ALL_CODE)
	$(BIN)/ruff format --check $(ALL_CODE)
	$(BIN)/mypy --explicit-package-bases $(TYPED)

format: install ## mend style and formatting where a tool can
	$(BIN)/ruff check --fix $(ALL_CODE)
	$(BIN)/ruff format $(ALL_CODE)

bench: install ## measure Headwater: events per second (ARGS="--help" tells more)
	$(BIN)/python -m benchmarks.run $(ARGS)

bench-peers: install ## the same job on Headwater and its peers (installs them into var/peers)
	$(BIN)/python -m benchmarks.run --peers $(ARGS)

measure: install ## measure latency, memory, recovery and more (ARGS="--quick" tries it out)
	$(BIN)/python -m benchmarks.measure $(ARGS)

kafka: install ## run a Kafka broker on 127.0.0.1:9092 until Ctrl-C (needs java and mvn)
	@exec $(BIN)/python deploy/kafka/local_broker.py $(ARGS)

LOCK = $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url \
	--universal --python-version 3.11 --no-header

lock: install ## pin the newest dependencies that pyproject.toml allows
	$(LOCK) --upgrade -o requirements.lock pyproject.toml
	$(LOCK) --upgrade --extra dev -o requirements-dev.lock pyproject.toml

lock-peers: install ## pin the newest of what the benchmark's peers need
	$(LOCK) --upgrade -o benchmarks/peers/requirements.lock benchmarks/peers/requirements.in
