# `make run` shows what opsrunner does, `make test` shows that it does it. Both work from a fresh clone.
SHELL := /bin/bash
BIN := .venv/bin
PYTEST_OPTIONS ?= -n 2 --dist loadgroup

.PHONY: run test lint bench soak clean

run: .venv/installed
	@$(BIN)/opsrunner try

test: .venv/installed-dev
	@.ci/install-packages
	@$(BIN)/pytest $(PYTEST_OPTIONS)

lint: .venv/installed-dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: .venv/installed-dev .venv-peers/installed
	@.ci/install-packages
	@$(BIN)/python -m benchmarks $(TOPICS)

soak: .venv/installed-dev
	@.ci/install-packages
	@$(BIN)/pytest -m soak -rP -n 2 --dist loadgroup --timeout 2400

clean:
	rm -rf .venv .venv-peers var .opsrunner-state dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/bin/python:
	@python=$$(.ci/find-python) && echo "making .venv with $$python" && "$$python" -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	@echo "installing opsrunner into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/installed-dev: pyproject.toml | .venv/bin/python
	@echo "installing opsrunner and what its tests need into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch .venv/installed $@

# Peers of the benchmarks live apart: nothing that opsrunner is measured against is a dependency of it.
.venv-peers/installed: benchmarks/peers.txt | .venv/bin/python
	@python=$$(.ci/find-python) && "$$python" -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --requirement benchmarks/peers.txt
	@touch $@
