# Each target sets up what it needs first; setting up again when nothing changed takes milliseconds.

SHELL := /bin/sh
python := .venv/bin/python
WORLDS ?= 2000

.DEFAULT_GOAL := help
.PHONY: help launch launch-docker launch-hello test stories quick check sim crash-sweep bench-faults bench-judge bench-reaction bench-cutover setup-runtime setup-sample setup-dev clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

launch: setup-sample ## Launch the payment service with its database, three times
	@tools/launch.sh paymentapp

launch-docker: setup-sample ## Launch the payment service as images, in containers
	-@tools/system-packages.sh test
	@tools/launch.sh paymentapp --docker

launch-hello: setup-runtime ## Launch the small sample, without a database
	@tools/launch.sh hello

test: setup-dev ## Run every test
	@tools/system-packages.sh test
	@$(python) -m tminus.testing.docker
	$(python) -m pytest

stories: setup-dev ## Tell every story of a launch on real parts (about ten minutes)
	$(python) -m pytest tests/stories -m integration

quick: check ## Run the checks and the fast tests (under a minute)
	$(python) -m pytest -m "not slow and not integration"

check: setup-dev ## Lint, format check, types, import contracts, size ratchet
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	.venv/bin/lint-imports
	$(python) tools/ratchet.py

sim: setup-dev ## Run simulated launches: make sim WORLDS=20000
	$(python) -m tminus.testing.sim --worlds $(WORLDS)

crash-sweep: setup-dev ## Kill and resume a launch at every kind of event and effect
	$(python) benchmarks/crash_sweep.py

bench-faults: setup-dev ## Break one thing at a time under load, and measure what clients notice
	$(python) benchmarks/faults.py

bench-judge: setup-dev ## Measure the statistics of the watch, beside threshold rules
	$(python) benchmarks/judge.py

bench-reaction: setup-dev ## Measure how soon a launch notices a bad candidate, end to end
	$(python) benchmarks/reaction.py

bench-cutover: setup-dev ## Measure lost requests and delays of a cutover, beside a peer
	-@tools/system-packages.sh bench
	$(python) benchmarks/cutover.py

setup-runtime:
	@tools/setup.sh runtime

setup-sample:
	@tools/setup.sh sample

setup-dev:
	@tools/setup.sh dev

clean: ## Remove the virtual environment and caches
	rm -rf .venv build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
