# Two commands matter: `make up` and `make test`. Everything they need is fetched into this folder.

PYTHON ?= python3
UV_VERSION := 0.13.8
UV := .tools/bin/uv
export UV_PYTHON ?= $(PYTHON)
export UV_PYTHON_DOWNLOADS := never
VENV := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup up demo images check test format clean

help: ## Show what can be done
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: setup ## Set up what is missing and run the platform at http://127.0.0.1:8000
	@exec $(VENV)/python manage.py up

demo: setup ## Train on iris, export, serve and predict, as a user would
	@exec $(VENV)/python manage.py demo

images: setup ## Build the images that replicas in containers start from
	@$(VENV)/python manage.py images

compose-env: ## Write .env with random passwords for docker-compose.yml
	@sh platform/compose-env.sh

check: .venv/dev ## Format, lint, types, import rules, templates, migrations, lock
	@$(UV) lock --check --quiet
	@$(VENV)/ruff format --check --quiet .
	@$(VENV)/ruff check --quiet .
	@$(VENV)/mypy
	@$(VENV)/lint-imports --no-cache > .lint-imports.log || (cat .lint-imports.log; exit 1)
	@git ls-files -co --exclude-standard 'templates/*.html' | xargs $(VENV)/djade --check --target-version 5.2
	@HOPYARD_DATA_DIR=var/check $(VENV)/python manage.py makemigrations --check --dry-run --verbosity 0
	@HOPYARD_DATA_DIR=var/check $(VENV)/python manage.py spectacular --validate --fail-on-warn --file /dev/null
	@rm -rf var/check
	@cd static/vendor && sha256sum --check --quiet SHA256SUMS
	@echo "All checks passed."

test: .venv/dev .venv-replica/ready ## Set up what the tests need and run all of them
	@sh tests/setup.sh
	@$(VENV)/python -m pytest -n 2 --dist loadfile

format: .venv/dev ## Format and fix what can be fixed
	$(VENV)/ruff check --fix --quiet .
	$(VENV)/ruff format --quiet .
	git ls-files -co --exclude-standard 'templates/*.html' | xargs $(VENV)/djade --target-version 5.2

setup: .venv/ready .venv-replica/ready

# The platform's own environment; the tests' tools are added to it by the first check or test.
.venv/ready: uv.lock pyproject.toml sdk/pyproject.toml $(if $(wildcard .venv/bin/python),,missing) | $(UV)
	@$(UV) sync --quiet --frozen --no-default-groups --inexact
	@touch $@

.venv/dev: uv.lock pyproject.toml sdk/pyproject.toml $(if $(wildcard .venv/bin/python),,missing) | $(UV)
	@$(UV) sync --quiet --frozen --inexact
	@touch .venv/ready $@

# What replicas run in: the model server and the usual libraries, without the platform.
.venv-replica/ready: uv.lock pyproject.toml sdk/pyproject.toml $(if $(wildcard .venv-replica/bin/python),,missing) | $(UV)
	@UV_PROJECT_ENVIRONMENT=.venv-replica $(UV) sync --quiet --frozen --only-group replica
	@$(UV) export --quiet --frozen --only-group replica --no-emit-workspace --no-header --no-annotate \
		--output-file .venv-replica/lock.txt
	@touch $@

.PHONY: missing
missing:

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Hopyard needs Python 3.11 or newer; name one with PYTHON=…")'
	@$(PYTHON) -m venv .tools
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

clean: ## Remove the environments and caches, not the data in var/
	rm -rf .venv .venv-replica .tools .mypy_cache .ruff_cache .pytest_cache
