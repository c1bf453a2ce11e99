# Gateway Trace Monitor. `make` alone says what there is. Works with GNU Make 3.81 (macOS) and any pip of Python 3.11+.

VENV     ?= .venv
# The first Python on the path that is new enough; set PYTHON to choose another.
PYTHON   ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
              "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
DEMO_FOR ?=
DEMO_FAULT ?=
PYTEST_ARGS ?=
KILLS    ?=
SEED     ?=
FUZZ_FOR ?= 60
FUZZ_SEED ?=
UPGRADE  ?=

BIN     := $(VENV)/bin
PIP      = $(BIN)/python -m pip --disable-pip-version-check
# Wheels only, and only those whose hash stands in the lock: nothing that is downloaded runs while it is installed.
LOCKED   = install --quiet --no-deps --only-binary :all: --require-hashes -r
SOURCES := monitor tests tools
RULES   := deploy/prometheus

.DEFAULT_GOAL := help
.PHONY: $(shell awk -F: '/^[a-z0-9-]+:/ {print $$1}' Makefile)

help:  ## say what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

# --- to look at it --------------------------------------------------------------------------------------------------

demo: $(VENV)/.installed  ## the whole thing on loopback, without credentials (DEMO_FOR=60s ends it by itself)
	@$(BIN)/trace-monitor demo $(if $(DEMO_FOR),--for $(DEMO_FOR)) $(if $(DEMO_FAULT),--fault $(DEMO_FAULT))

# --- to change it ---------------------------------------------------------------------------------------------------

test: $(VENV)/.test  ## the tests, with some of every family (PYTEST_ARGS='-k drift' for some of it)
	@$(BIN)/python -m pytest -q -n auto --dist worksteal -m "not e2e and not thorough" $(PYTEST_ARGS)

check: lint types layers schema docs-current dashboard-current  ## everything a change must pass: format, lint, types, layers, schema, docs, tests, coverage of core
	@$(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory core-coverage

# What decides is covered to the last branch by its own tests alone, so that nothing else has to run under the slow tracer.
core-coverage: $(VENV)/.test
	@$(BIN)/python -m pytest -q -n auto --dist worksteal tests/core \
	  --cov=monitor/core --cov-branch --cov-fail-under=100 --cov-report=term-missing:skip-covered

format: $(VENV)/.check  ## rewrite the code in the one true style
	@$(BIN)/ruff format -q $(SOURCES)
	@$(BIN)/ruff check -q --fix $(SOURCES)

lint: $(VENV)/.check
	@$(BIN)/ruff format --check -q $(SOURCES)
	@$(BIN)/ruff check -q $(SOURCES)
	@echo "format, lint: ok"

types: $(VENV)/.check
	@$(BIN)/mypy monitor tests tools

layers: $(VENV)/.check
	@$(BIN)/lint-imports --no-logo

schema: $(VENV)/.installed
	@$(BIN)/trace-monitor config schema | diff -u monitor/settings/schema.json - \
	  || { echo "monitor/settings/schema.json is not current: run $(BIN)/trace-monitor config schema > monitor/settings/schema.json"; exit 1; }
	@echo "schema: ok"

test-all: test thorough  ## every test, also of every pair of faults and every fault in every variant (half an hour)

thorough: $(VENV)/.test  ## of test-all what make test leaves out
	@$(BIN)/python -m pytest -q -n auto --dist worksteal -m "thorough and not e2e" $(PYTEST_ARGS)

diagnosis-matrix: $(VENV)/.test  ## break the sandbox in every way, and print what was broken against what was said
	@$(BIN)/python -m tools.diagnosis_matrix

time-to-mention: $(VENV)/.test  ## measure how long it takes until somebody is called
	@$(BIN)/python -m tools.time_to_mention

docs: $(VENV)/.test  ## write what is generated in docs/ anew
	@$(BIN)/python -m tools.docs

golden: $(VENV)/.test  ## write what Slack shows of every fault anew, to be read with git diff tests/golden
	@$(BIN)/python -m tools.golden

docs-current: $(VENV)/.test
	@$(BIN)/python -m tools.docs --check

dashboard: $(VENV)/.check  ## write the dashboard for Grafana anew, from tools/grafana
	@$(BIN)/python -m tools.grafana_dashboard > deploy/grafana/dashboard.json

dashboard-current: $(VENV)/.check
	@$(BIN)/python -m tools.grafana_dashboard | diff -u deploy/grafana/dashboard.json - || { echo "deploy/grafana/dashboard.json is not current: run make dashboard"; exit 1; }
	@echo "dashboard: ok"

fuzz: $(VENV)/.test  ## change every remote answer in every way and see what is concluded (FUZZ_FOR=600 seconds, FUZZ_SEED=7)
	@FUZZ_FOR="$(FUZZ_FOR)" FUZZ_SEED="$(FUZZ_SEED)" $(BIN)/python -m tests.fuzz

# --- against the real components -------------------------------------------------------------------------------------

e2e-setup: $(VENV)/.test .venv-gateway/.locked .venv-clients/.locked .venv-phoenix/.locked
	@tests/e2e/collector/build.sh >/dev/null || [ $$? -eq 3 ]  # without Go its tests are skipped

e2e: e2e-setup  ## against LiteLLM, an OpenTelemetry Collector, Phoenix, Prometheus, Alertmanager and the vendors' own clients
	@$(BIN)/python -m pytest -q -m e2e -n 2 --dist loadfile tests/e2e $(PYTEST_ARGS)

browser: $(VENV)/.test .venv-browser/.locked  ## the pages in headless Chromium: layout, accessibility, requests; pictures in .e2e/pictures
	@$(BIN)/python -m pytest -q -m e2e tests/browser $(PYTEST_ARGS)

rules-test: ## the alert rules against made-up series, with promtool; the example of routes, with amtool
	@promtool check config $(RULES)/scrape.yml
	@promtool check rules --lint=all --lint-fatal $(RULES)/rules.yml
	@promtool test rules $(RULES)/tests/*.yml
	@amtool check-config $(RULES)/alertmanager.yml
	@to() { amtool config routes test --config.file $(RULES)/alertmanager.yml --verify.receivers=$$1 alertname=$$2 target=prod severity=critical; }; \
	 to on-call GatewayTraceIncident && to self-test GatewayTraceIncidentTest && to nobody GatewayTraceFaultActive && \
	 to nobody TraceMonitorBlind && to nobody TraceMonitorCheckFailed && to on-call TraceMonitorNoticesPending && \
	 to on-call TraceMonitorDown && \
	 amtool config routes test --config.file $(RULES)/alertmanager.yml --verify.receivers=channel alertname=TraceMonitorReloadFailed severity=warning

chart: $(VENV)/.test  ## write what is generated in the Helm chart anew: its schema, its README, its list of secrets
	@$(BIN)/python -m tools.chart_schema
	@$(BIN)/python -m tools.chart_readme

manifests: chart  ## render the plain manifests in deploy/kubernetes from the chart (fetches helm)
	@deploy/kubernetes/render.sh > deploy/kubernetes/.rendered && mv deploy/kubernetes/.rendered deploy/kubernetes/trace-monitor.yaml

chart-setup: $(VENV)/.test .venv-deploy/.locked
	@for tool in helm helm3 kubectl; do deploy/kubernetes/tools.sh $$tool >/dev/null || [ $$? -eq 3 ] || exit 1; done

chart-test: chart-setup  ## the Helm chart: lint, render with many values, validate, refuse (fetches helm 4 and helm 3)
	@$(BIN)/python -m pytest -q -m e2e tests/deploy $(PYTEST_ARGS)

kubernetes-test: $(VENV)/.test  ## the chart on a real Kubernetes API server, which is built once with Go (minutes)
	@for tool in go npm openssl prometheus; do \
	  command -v $$tool >/dev/null || { echo "kubernetes-test: skipped, no $$tool here"; exit 0; }; \
	done; \
	tests/kubernetes/components/build.sh >/dev/null && $(BIN)/python -m pytest -q -m e2e tests/kubernetes $(PYTEST_ARGS)

size: $(VENV)/.installed  ## how much there is to read, by package
	@$(BIN)/python -m tools.size

image:  ## build the container image with docker, podman or buildah
	@deploy/image/build.sh

image-test: ## build the image and try it: read-only, no capabilities, health, SIGTERM
	@mkdir -p .e2e && SAVE=.e2e/image.tar deploy/image/test.sh

.e2e/image.tar: Dockerfile deploy/image/test.sh requirements/runtime.txt requirements/build.txt $(shell find monitor -type f -not -name '*.pyc')
	@$(MAKE) --no-print-directory image-test

compose-test: $(VENV)/.test .venv-deploy/.locked .e2e/image.tar  ## the Compose files: against their schema, and the demo with podman, Prometheus and Alertmanager (root)
	@PYTHON=$(BIN)/python deploy/compose/test.sh

bench-busy: $(VENV)/.installed  ## what a canary costs in a busy environment: requests, bytes, time, memory (minutes)
	@$(BIN)/python -m tools.bench_busy

bench-footprint: $(VENV)/.installed .venv-runtime/.locked  ## how soon the daemon is ready, and its memory when idle
	@$(BIN)/python -m tools.bench_footprint .venv-runtime/bin/python

bench-scale: $(VENV)/.installed  ## what 1, 10, 50 and 200 targets cost: CPU, memory, series, a scrape (minutes)
	@$(BIN)/python -m tools.bench_scale

torture-kill: $(VENV)/.installed  ## kill the real daemon again and again; what Slack holds stays true (KILLS=50, SEED=…)
	@$(BIN)/python -m tools.torture_kill $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED))

# --- to release it ---------------------------------------------------------------------------------------------------

release-check: $(VENV)/.installed  ## version and changelog agree (TAG=v1.2.3: and the tag; prints the release notes)
	@$(BIN)/python -m tools.release_check $(TAG)

dist: .venv-release/.locked  ## sdist and wheel in dist/, the same bytes from the same commit
	@.venv-release/bin/python -m tools.dist

release-test: $(VENV)/.test .venv-release/.locked .venv-shipped/.locked  ## sdist, wheel, SBOM, licences: what is in them; pipx install, and the installed program (a minute)
	@$(BIN)/python -m pytest -q -m e2e tests/release $(PYTEST_ARGS)

# The environment that the wheel brings along, without pip, which is no part of it.
.venv-shipped/.locked: requirements/runtime.txt .venv-release/.locked
	@$(PYTHON) -m venv --clear --without-pip .venv-shipped
	@.venv-release/bin/python -m pip --python .venv-shipped/bin/python --disable-pip-version-check $(LOCKED) requirements/runtime.txt
	@touch $@

sbom: .venv-shipped/.locked  ## dist/sbom.cdx.json: what the program brings along, as CycloneDX
	@mkdir -p dist
	@version=$$(sed -n 's/^VERSION = "\(.*\)"$$/\1/p' monitor/version.py) && \
	 sed "s/^dynamic = .*/version = \"$$version\"/" pyproject.toml > .venv-shipped/pyproject.toml
	@.venv-release/bin/cyclonedx-py environment .venv-shipped/bin/python --pyproject .venv-shipped/pyproject.toml \
	  --mc-type application --output-reproducible --output-format JSON --output-file dist/sbom.cdx.json
	@$(PYTHON) -c 'import json; print("dist/sbom.cdx.json ", len(json.load(open("dist/sbom.cdx.json"))["components"]), "components")'

licenses: .venv-shipped/.locked  ## dist/licenses.txt: their licences, and that each may be shipped
	@mkdir -p dist
	@$(PYTHON) -m tools.licenses .venv-shipped > dist/licenses.txt
	@echo "dist/licenses.txt"

# renovate: datasource=go depName=github.com/rhysd/actionlint
ACTIONLINT_VERSION = v1.7.12
ACTIONLINT = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/gateway-trace-monitor/actionlint-$(ACTIONLINT_VERSION)/actionlint
SCHEMA = .venv-workflows/bin/check-jsonschema --quiet --builtin-schema

lint-workflows: .venv-workflows/.locked  ## .github/, renovate.json, Dockerfile and shell scripts, by their own checkers (seconds; actionlint needs Go)
	@$(SCHEMA) vendor.github-workflows .github/workflows/*.yml
	@$(SCHEMA) vendor.github-issue-forms .github/ISSUE_TEMPLATE/[!c]*.yml
	@$(SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	@$(SCHEMA) vendor.renovate renovate.json
	@.venv-workflows/bin/yamllint --strict --config-file .yamllint.yml .github .pre-commit-config.yaml
	@git ls-files -z '*.sh' | xargs -0 .venv-workflows/bin/shellcheck --external-sources
	@.venv-workflows/bin/hadolint Dockerfile
	@.venv-workflows/bin/zizmor --offline --quiet --no-progress --persona pedantic .github
	@if command -v go >/dev/null; then $(MAKE) -s --no-print-directory "$(ACTIONLINT)" && \
	   "$(ACTIONLINT)" -shellcheck .venv-workflows/bin/shellcheck -pyflakes ""; else echo "actionlint: skipped, no Go here"; fi
	@echo "workflows: ok"

pre-commit: .venv-workflows/.locked  ## every hook of .pre-commit-config.yaml on every file
	@.venv-workflows/bin/pre-commit run --all-files

$(ACTIONLINT):
	@GOBIN="$(@D)" GOFLAGS= go install github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)

# --- environments ----------------------------------------------------------------------------------------------------
# A stamp per step, so that a step is repeated only when its lock changed.

setup: $(VENV)/.check  ## only create the environment

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (set PYTHON=/path/to/it)"; exit 1; }
	@echo "creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV) || { echo "no venv module? On Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/.runtime: requirements/runtime.txt requirements/build.txt $(BIN)/python
	@echo "installing what the program needs"
	@$(PIP) $(LOCKED) requirements/runtime.txt
	@$(PIP) $(LOCKED) requirements/build.txt
	@touch $@

$(VENV)/.installed: $(VENV)/.runtime pyproject.toml monitor/version.py
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.installed
	@echo "installing what its tests need"
	@$(PIP) $(LOCKED) requirements/test.txt
	@touch $@

$(VENV)/.check: requirements/check.txt $(VENV)/.test
	@echo "installing what its checks need"
	@$(PIP) $(LOCKED) requirements/check.txt
	@touch $@

.venv-%/.locked: requirements/%.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (set PYTHON=/path/to/it)"; exit 1; }
	@echo "creating .venv-$*"
	@$(PYTHON) -m venv --clear .venv-$*
	@.venv-$*/bin/python -m pip --disable-pip-version-check $(LOCKED) requirements/$*.txt
	@touch $@

# --- the locks -------------------------------------------------------------------------------------------------------

COMPILE = .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --only-binary :all: \
          --no-strip-extras --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

lock: .venv-lock/.locked  ## write requirements/*.txt anew (UPGRADE=1 for newer versions)
	@cd requirements && \
	 compile() { ../$(COMPILE) "$$@"; } && \
	 compile ../pyproject.toml -o runtime.txt && \
	 compile build.in -o build.txt && \
	 compile release.in -c build.txt -o release.txt && \
	 compile workflows.in -o workflows.txt && \
	 compile ../pyproject.toml --extra slack-socket -c runtime.txt -o slack-socket.txt && \
	 compile ../pyproject.toml --extra slack-socket test.in -c slack-socket.txt -c build.txt -o test.txt && \
	 compile ../pyproject.toml --extra slack-socket test.in check.in -c test.txt -o check.txt && \
	 for part in browser gateway clients phoenix deploy lock; do compile $$part.in -o $$part.txt; done

clean:  ## remove what was made here
	rm -rf $(VENV) .venv-browser .venv-clients .venv-deploy .venv-gateway .venv-lock .venv-phoenix .venv-runtime build dist *.egg-info .mypy_cache .ruff_cache .hypothesis \
	       .import_linter_cache .coverage .e2e
	find monitor tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf .venv-release .venv-shipped .venv-workflows
