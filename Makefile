# Everything a developer or an operator runs by hand. Each target sets up what it needs; a second run is quick.

PYTHON ?= python3
BIN := .venv/bin
# In the order in which they need each other.
PACKAGES := lucca-elimity-kit tap-lucca target-elimity lucca-gateway
PROJECTS := $(PACKAGES:%=%/pyproject.toml)
SOURCES := $(foreach package,$(PACKAGES),$(package)/$(subst -,_,$(package))) sandbox scripts bench tests release
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock"
# Typed, but against the packages of an environment of its own: mypy does not see it here.
DEPLOYMENT := deploy/dagster

export MELTANO_SEND_ANONYMOUS_USAGE_STATS := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Without bytecode on disk, each start of Meltano and of its plugins compiles everything again: it takes twice as long.
unexport PYTHONDONTWRITEBYTECODE

# Where systems keep the certificates that they trust. A proxy that inspects TLS is known there alone, so uv and old
# versions of pip, which bring certificates of their own, must look there too.
STORES := /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem
STORE := $(firstword $(wildcard $(STORES)))
ifneq ($(STORE),)
export UV_SYSTEM_CERTS ?= true
export PIP_CERT ?= $(or $(SSL_CERT_FILE),$(STORE))
endif

# The account of a service may have no home for caches and for the logs of Meltano.
ifneq ($(shell [ -w "$$HOME" ] || echo homeless),)
export UV_NO_CACHE := true
export PIP_NO_CACHE_DIR := true
export XDG_STATE_HOME := $(CURDIR)/.meltano
endif

# The commands in a copied .venv start the Python, and so the code, of the place where it was made.
MOVED := $(shell [ ! -s .venv/ready ] || [ "$$(cat .venv/ready)" = "$$(cd .venv && pwd -P)" ] || echo moved)

.PHONY: demo demo-report demo-gateway install test test-all check format generate bench dist lock clean browser moved

# What a second import would change, then that import: without Meltano, which takes longer to start.
AGAIN := export PATH="$$PWD/$(BIN):$$PATH"; echo "The plan:"; \
	tap-lucca --config=ENV 2> /dev/null | TARGET_ELIMITY_OUTPUT_PATH=output target-elimity --config=ENV && \
	cat output/changes.json && echo "The second import:" && \
	tap-lucca --config=ENV 2> /dev/null | target-elimity --config=ENV > /dev/null

## Carry a made-up company from a sandboxed Lucca into a sandboxed Elimity Insights, through Meltano; then plan and import
## a few changes.
demo: .venv/ready
	@echo "Importing a made-up company of 250 from a sandboxed Lucca into a sandboxed Elimity Insights …"
	@umask 077; $(BIN)/python -m sandbox --employees 250 --seed 1 --api-token --then '$(AGAIN)' -- \
		$(BIN)/meltano --environment=sandbox run --full-refresh tap-lucca target-elimity

## Make a dry run on the same company, and leave its report and what goes with it in the folder output.
demo-report: .venv/ready
	@echo "Writing the report of a dry run on a made-up company of 250 into the folder output …"
	@umask 077; $(BIN)/python -m sandbox --employees 250 --seed 1 -- env TARGET_ELIMITY_OUTPUT_PATH=output \
		$(BIN)/meltano --environment=sandbox run --full-refresh tap-lucca target-elimity

## Let a sandboxed Elimity Insights pull a made-up company through lucca-gateway.
demo-gateway: .venv/ready
	@echo "Pulling a made-up company of 250 through lucca-gateway …"
	@$(BIN)/python -m sandbox.pulling

## All that an import, the gateway and the demos need.
install: .venv/ready

## The checks, and the tests but for the slow ones: what to run before a commit.
test: check $(if $(CI),browser)
	@echo "Running the tests, without the slow ones: five minutes on two cores …"
	@$(BIN)/pytest -m "not slow"

## All that CI runs: the checks and all tests.
test-all: check $(if $(CI),browser)
	@echo "Running all tests: ten minutes on two cores …"
	@$(BIN)/pytest

## Lint, format, types, workflows, and that generated files are up to date.
check: .venv/dev
	@echo "Checking style, types and generated files …"
	@$(BIN)/ruff check --quiet $(SOURCES) $(DEPLOYMENT)
	@$(BIN)/ruff format --quiet --check $(SOURCES) $(DEPLOYMENT)
	@$(BIN)/mypy --no-error-summary $(SOURCES)
	@findings=$$($(BIN)/zizmor --quiet --offline .github) || { echo "$$findings"; exit 1; }
	@$(BIN)/python -m scripts.generate --check

format: .venv/dev
	$(BIN)/ruff check --fix $(SOURCES) $(DEPLOYMENT)
	$(BIN)/ruff format $(SOURCES) $(DEPLOYMENT)

## Write what the code says (data model, catalog, settings tables) into the files that repeat it.
generate: .venv/dev
	@echo "Writing the generated files …"
	@$(BIN)/python -m scripts.generate

## Measure time, memory and requests against their floors, on the sandbox; FULL=1 measures larger companies, more often.
bench: .venv/dev
	@echo "Measuring: $(if $(FULL),about half an hour,about three minutes) on two cores …"
	@$(BIN)/python -m bench $(if $(FULL),--full)

## Build the wheels and sdists of the packages into dist; each wheel from its sdist.
dist: .venv/dev
	@echo "Building the packages into the folder dist …"
	@rm -rf dist
	@for package in $(PACKAGES); do \
		LUCCA_ELIMITY_RELEASE=true $(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist $$package || exit; \
	done

## Bring the lock files up to date with what pyproject.toml and the packages ask for.
lock: .venv/ready
	@echo "Locking the versions of everything that is installed …"
	@printf './%s\n' $(PACKAGES) | $(COMPILE) $(PACKAGES:%=--no-emit-package %) --group run - --output-file requirements.txt
	@$(COMPILE) $$(sed -n 's/^\([^ ]*\)==.*/--no-emit-package \1/p' requirements.txt) --constraints requirements.txt \
		--group dev --output-file requirements-dev.txt

## Remove what make installed; what Meltano remembers of imports (.meltano/meltano.db) stays.
clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

# pip installs uv, at the version and with the hashes that the lock file names; uv, which is many times as fast, the rest.
# Meltano keeps its settings and those of the plugins, keys included, in .meltano while it runs.
.venv/ready: requirements.txt $(PROJECTS) $(MOVED)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 …")'
	@echo "Installing the packages and what they need into .venv: up to half a minute …"
	@$(PYTHON) -m venv $(if $(MOVED),--clear) .venv
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.txt > .venv/uv.txt
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement .venv/uv.txt
	@$(INSTALL) --require-hashes --requirement requirements.txt
	@$(INSTALL) --no-deps --no-build-isolation $(PACKAGES:%=--editable %)
	@mkdir -p .meltano && chmod 700 .meltano
	@(cd .venv && pwd -P) > $@

.venv/dev: .venv/ready requirements-dev.txt
	@echo "Installing what developers need into .venv …"
	@$(INSTALL) --require-hashes --requirement requirements.txt --requirement requirements-dev.txt
	@touch $@

# The report is tested in Chromium. CI must have one; elsewhere, its tests are skipped if there is none.
browser: .venv/dev
	@$(BIN)/python -m scripts.browser
