# `make run` shows what opsrunner does and serves its page (`make run ONCE=1` ends by itself), `make test` shows that
# it does it. Both work from a fresh clone.
SHELL := /bin/bash
BIN := .venv/bin
PYTEST_OPTIONS ?= -n 3

LOCKED := -m pip install --quiet --disable-pip-version-check --require-hashes
EDITABLE := -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable
UV := uv pip compile --no-config --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet

.PHONY: run test lint bench soak lock audit sbom clean

run: .venv/installed
	@$(BIN)/opsrunner try $(if $(ONCE),,--serve)

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
	@$(BIN)/pytest -m soak -rP --show-capture stdout --durations 24 --durations-min 1 -n 2 --timeout 2400

clean:
	rm -rf .venv .venv-peers .venv-supply var .opsrunner-state dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/bin/python:
	@python=$$(.ci/find-python) && echo "making .venv with $$python" && "$$python" -m venv .venv

.venv/installed: pyproject.toml locks/run.txt locks/build.txt | .venv/bin/python
	@echo "installing opsrunner into .venv"
	@$(BIN)/python $(LOCKED) --requirement locks/run.txt --requirement locks/build.txt
	@$(BIN)/python $(EDITABLE) .
	@touch $@

.venv/installed-dev: pyproject.toml locks/dev.txt | .venv/bin/python
	@echo "installing opsrunner and what its tests need into .venv"
	@$(BIN)/python $(LOCKED) --requirement locks/dev.txt
	@$(BIN)/python $(EDITABLE) .
	@touch .venv/installed $@

# Every file that pip may install, by its hash. Made anew by hand, looked through, and committed.
lock: .venv-supply/installed
	@mkdir -p locks
	@.venv-supply/bin/$(UV) --upgrade pyproject.toml --output-file locks/run.txt >/dev/null
	@.venv-supply/bin/$(UV) --upgrade pyproject.toml --extra dev --constraint locks/run.txt --output-file locks/dev.txt >/dev/null
	@.venv-supply/bin/$(UV) --upgrade pyproject.toml --extra age --extra mysql --extra postgres --constraint locks/dev.txt --output-file locks/extras.txt >/dev/null
	@printf 'hatchling\neditables\n' | .venv-supply/bin/$(UV) --constraint locks/dev.txt - --output-file locks/build.txt >/dev/null
	@git diff --stat -- locks

# Known weaknesses of what is locked; asks a service on the network.
audit: .venv-supply/installed
	@.venv-supply/bin/pip-audit --requirement locks/extras.txt --require-hashes --disable-pip --strict

# What a release is made of, as CycloneDX.
sbom: .venv-supply/installed
	@mkdir -p dist
	@.venv-supply/bin/cyclonedx-py requirements locks/extras.txt --pyproject pyproject.toml --output-reproducible --output-format JSON --output-file dist/opsrunner.cdx.json
	@echo "dist/opsrunner.cdx.json"

# Peers of the benchmarks live apart: nothing that opsrunner is measured against is a dependency of it.
.venv-peers/installed: benchmarks/peers.txt | .venv/bin/python
	@python=$$(.ci/find-python) && "$$python" -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --requirement benchmarks/peers.txt
	@touch $@

# What makes and checks the locks is no dependency of opsrunner.
.venv-supply/installed: | .venv/bin/python
	@python=$$(.ci/find-python) && "$$python" -m venv .venv-supply
	@.venv-supply/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.13,<0.14' 'pip-audit>=2.10,<3' 'cyclonedx-bom>=7.5,<8'
	@touch $@
