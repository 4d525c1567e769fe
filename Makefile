# Everything a developer or an operator runs by hand. Each target sets up what it needs; a second run is quick.

PYTHON ?= python3
BIN := .venv/bin
SOURCES := lucca-elimity-kit/lucca_elimity_kit tap-lucca/tap_lucca target-elimity/target_elimity lucca-gateway/lucca_gateway sandbox scripts bench tests
# Typed, but against the packages of an environment of its own: mypy does not see it here.
DEPLOYMENT := deploy/dagster
PACKAGES := lucca-elimity-kit/pyproject.toml tap-lucca/pyproject.toml target-elimity/pyproject.toml lucca-gateway/pyproject.toml

export MELTANO_SEND_ANONYMOUS_USAGE_STATS := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo demo-report demo-gateway install test check format generate bench dist lock clean

## Carry a made-up company from a sandboxed Lucca into a sandboxed Elimity Insights, through Meltano.
demo: .meltano/ready
	$(BIN)/python -m sandbox --employees 250 --seed 1 -- \
		$(BIN)/meltano --environment=sandbox run --full-refresh tap-lucca target-elimity

## Make a dry run on the same company, and leave its report and what goes with it in the folder output.
demo-report: .meltano/ready
	$(BIN)/python -m sandbox --employees 250 --seed 1 -- env TARGET_ELIMITY_OUTPUT_PATH=output \
		$(BIN)/meltano --environment=sandbox run --full-refresh tap-lucca target-elimity

## Let a sandboxed Elimity Insights pull a made-up company through lucca-gateway.
demo-gateway: .venv/ready
	$(BIN)/python -m sandbox.pulling

## All that an import needs.
install: .meltano/ready

## All that CI runs.
test: check .meltano/ready .venv/browser
	$(BIN)/pytest

## Lint, format, types, and that generated files are up to date.
check: .venv/ready
	$(BIN)/ruff check $(SOURCES) $(DEPLOYMENT)
	$(BIN)/ruff format --check $(SOURCES) $(DEPLOYMENT)
	$(BIN)/mypy $(SOURCES)
	$(BIN)/python -m scripts.generate --check

format: .venv/ready
	$(BIN)/ruff check --fix $(SOURCES) $(DEPLOYMENT)
	$(BIN)/ruff format $(SOURCES) $(DEPLOYMENT)

## Write what the code says (data model, catalog, settings tables) into the files that repeat it.
generate: .venv/ready
	$(BIN)/python -m scripts.generate

## Measure everything against its floor, on the sandbox: some minutes.
bench: .venv/ready
	$(BIN)/python -m bench

## Build the wheels and sdists of the packages into dist; each wheel from its sdist.
dist: .venv/ready
	rm -rf dist
	for package in $(dir $(PACKAGES)); do \
		$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist $$package || exit; \
	done

## Bring requirements.lock up to date with what pyproject.toml and the packages ask for.
lock: .venv/ready
	printf './%s\n' $(dir $(PACKAGES)) | $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
		$(foreach package,$(patsubst %/,%,$(dir $(PACKAGES))),--no-emit-package $(package)) \
		--custom-compile-command "make lock" --group dev - --output-file requirements.lock

## Remove what make installed; what Meltano remembers of imports (.meltano/meltano.db) stays.
clean:
	rm -rf .venv .meltano/ready .meltano/extractors .meltano/loaders .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/ready: requirements.lock $(PACKAGES)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation \
		--editable lucca-elimity-kit --editable tap-lucca --editable target-elimity --editable lucca-gateway
	touch $@

# The report is tested in Chromium: the system's, or one of its own.
.venv/browser: .venv/ready
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
		$(BIN)/playwright install chromium-headless-shell
	touch $@

.meltano/ready: .venv/ready meltano.yml
	$(BIN)/meltano install
	touch $@
