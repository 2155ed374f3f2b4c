# What a user, a developer and a packager run. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
ONLY ?=
DESTDIR ?=
CLUSTER ?=
VERSION ?=
OLD ?=
PYTHONS ?= 3.11 3.12 3.13 3.14
# More than cores: much of a test's time is waiting for Jobs to end. A file's tests share its daemon, and files that
# wait alternate with files that do not (tests/file_order.py).
PYTEST_WORKERS ?= 7

.PHONY: help
help: ## print this list
	@awk '/^## / {sub(/^## /, ""); printf "\n%s\n", $$0} \
	  /^[a-z0-9-]+:.*## / {name = $$1; sub(/:$$/, "", name); sub(/.*## /, ""); printf "  make %-12s %s\n", name, $$0}' $(MAKEFILE_LIST)

## For users

.PHONY: demo
demo: $(VENV)/.runtime debian images ## a cluster, a daemon and the terminal in a fresh folder (ARGS="--headless --for 180")
	@$(BIN)/kronkeep demo $(ARGS)

.PHONY: install
install: $(VENV)/.runtime ## install programs and units below DESTDIR (DEPENDENCIES=no: a distribution's own packages)
	@DESTDIR=$(DESTDIR) systemd/install $(VENV)

## For developers

.PHONY: test
test: check pytest ## everything: formatting, lint, types, import rules, tests

.PHONY: check
check: format lint types imports ## everything but the tests

.PHONY: format
format: $(VENV)/.dev ## check the formatting (ruff format)
	@$(BIN)/ruff format --check .

.PHONY: lint
lint: $(VENV)/.dev ## ruff's rules
	@$(BIN)/ruff check .

.PHONY: types
types: $(VENV)/.dev ## mypy --strict
	@$(BIN)/mypy --strict

.PHONY: imports
imports: $(VENV)/.dev ## which package may import which (import-linter)
	@$(BIN)/lint-imports

.PHONY: pytest
pytest: $(VENV)/.dev programs ## the tests (ARGS="tests/unit -k schedule")
	@$(BIN)/pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder -m "not torture" -rs $(ARGS)

.PHONY: programs
programs: debian servers newer-restic images # what the tests run beside kronkeep; without some of them they skip
	@systemd/require-debian kubernetes-client >&2 || echo "kronkeep: the tests continue without Debian's kubectl" >&2
	@systemd/require-debian tmux strace faketime curl >&2
	@systemd/require-debian zsh fish >&2 || echo "kronkeep: the tests continue without zsh and fish" >&2
	@systemd/require-debian prometheus >&2 || echo "kronkeep: the tests continue without Debian's prometheus" >&2
	@systemd/require-debian prometheus-alertmanager chromium >&2 || echo "kronkeep: the tests continue without them" >&2

.PHONY: e2e
e2e: $(VENV)/.dev debian servers newer-restic images ## the end-to-end tests on any cluster: KRONKEEP_E2E_KUBECONFIG=FILE
	@$(BIN)/pytest -n 0 -m "not torture" tests/e2e $(ARGS)

.PHONY: steady
steady: $(VENV)/.dev programs ## run the tests again and again beside two busy loops, and go on where that was interrupted (ARGS="ui=20 all=5")
	@tests/steady $(ARGS)

.PHONY: torture
torture: $(VENV)/.dev debian servers azurite newer-restic images ## long fault injection: kills, power cuts, full disks
	@systemd/require-debian strace xfsprogs >&2
	@$(BIN)/pytest -m torture --timeout 3600 $(ARGS)
	@[ -n "$(ARGS)" ] || $(MAKE) on-debian

.PHONY: on-debian
on-debian: ## both commands of the README in fresh Debian 12 and 13 (root); make torture does this too
	@tests/on-debian 12
	@tests/on-debian 13

.PHONY: bench
bench: $(VENV)/.bench debian ## benchmarks as ratios (ONLY=store for one group); the last line is one JSON object
	@$(BIN)/python -m benchmarks $(ONLY)

.PHONY: figures
figures: $(VENV)/.dev ## what makes the code hard to read, counted (ARGS=--list for the places)
	@$(BIN)/python tests/code_figures.py $(ARGS)

.PHONY: reference
reference: $(VENV)/.runtime ## write what is generated: API, reasons, keys, settings, the help's routes, deploy/
	@$(BIN)/python -m kronkeep_daemon.http.reference daemon/API.md docs/REASONS.md tui/kronkeep_tui/cli/routes.json
	@$(BIN)/python -m kronkeep_tui.key_reference tui/KEYS.md
	@$(BIN)/python -m kronkeep_daemon.manual settings docs/settings.md
	@$(BIN)/python -m kronkeep_common.monitoring.reference docs/metrics.md
	@$(BIN)/python -m release.manifests

.PHONY: manual
manual: $(VENV)/.runtime ## write the manual pages and a settings file with every default into build/
	@$(BIN)/python -m kronkeep_tui.cli.manual build/man
	@$(BIN)/python -m kronkeep_daemon.manual pages build/man
	@$(BIN)/python -m kronkeep_daemon.manual example build/kronkeepd.toml

.PHONY: picture
picture: $(VENV)/.dev ## draw the README's pictures of the terminal, and record its tour
	@$(BIN)/python -m tests.ui.picture tui/pictures
	@$(BIN)/python -m tests.ui.tour tui/pictures/tour.cast

.PHONY: clean
clean: ## remove what make made
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .steady

## For packagers

.PHONY: deb
deb: $(VENV)/.runtime build/vendor/.done ## build a Debian package with the locked dependencies in it: dist/*.deb
	@systemd/require-debian debhelper dpkg-dev fakeroot >&2
	@release/build-deb $(VENV) build/vendor dist

.PHONY: dist
dist: $(VENV)/.runtime ## build wheel and sdist, and run them in a fresh virtual environment
	@release/check-wheel $(VENV) dist

.PHONY: manifests
manifests: $(VENV)/.runtime ## write deploy/ (kustomize, Helm chart) from release/manifests.py
	@$(BIN)/python -m release.manifests

.PHONY: release-check
release-check: $(VENV)/.dev build/vendor/.done debian images ## each way to install, in something fresh (root; CLUSTER=KUBECONFIG: a real cluster too; OLD=FILE: the package to upgrade from)
	@rm -rf build/old dist/kronkeep_*.deb dist/kronkeep-*.oci.tar
	@release/check-manifests $(VENV)
	@release/check-demo
	@release/check-install
	@release/check-wheel $(VENV) dist
	@systemd/require-debian debhelper dpkg-dev fakeroot lintian >&2
	@[ -n "$(OLD)" ] || KRONKEEP_COMPRESSION=0 VERSION=0.0.9 release/build-deb $(VENV) build/vendor build/old
	@release/build-deb $(VENV) build/vendor dist
	@lintian --fail-on error dist/kronkeep_*.deb
	@release/check-deb $(or $(OLD),build/old/kronkeep_0.0.9-1_*.deb) dist/kronkeep_*.deb
	@release/build-image dist/kronkeep_*.deb dist
	@release/check-image $(VENV) dist/kronkeep-*.oci.tar
	@[ -z "$(CLUSTER)" ] || for way in chart kustomize; do \
	  KUBECONFIG=$(CLUSTER) release/check-cluster $(VENV) dist/kronkeep-*.oci.tar $$way || exit 1; done

.PHONY: release
release: $(VENV)/.runtime build/vendor/.done ## make a release: VERSION=1.2.3
	@release/publish $(VENV) "$(VERSION)"

# The versions of Python that the package runs with (debian/control): 3.11 in Debian 12, 3.13 in Debian 13.
build/vendor/.done: requirements.lock release/vendor
	@rm -rf build/vendor
	@release/vendor $(VENV) build/vendor $(PYTHONS)
	@touch $@

.PHONY: locks
locks: ## write the lock files (needs uv)
	uv pip compile -q --generate-hashes --no-header --extra build -o requirements.lock pyproject.toml
	uv pip compile -q --generate-hashes --no-header --extra build --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml
	uv pip compile -q --generate-hashes --no-header --extra build --extra bench -c requirements.lock -o requirements-bench.lock pyproject.toml
	printf 'moto[s3]>=5\nflask\nflask-cors\ngcp-storage-emulator\n' | uv pip compile -q --generate-hashes --no-header -o requirements-servers.lock -

.PHONY: images
images: $(VENV)/.runtime debian ## build the root file systems of the images that the embedded cluster runs
	@restic=$(VENV)/images/restic/restic; \
	if [ ! -d $$restic ] || { [ -x $(VENV)/restic/restic ] && [ ! -d $$restic:newer ]; } || \
	  { command -v rclone >/dev/null && [ ! -e $$restic/usr/bin/rclone ]; }; then \
	  $(BIN)/kronkeepd images --folder $(VENV)/images --newer-restic $(VENV)/restic/restic; fi

.PHONY: debian
debian: ## install restic, bubblewrap, openssl and busybox from Debian where they are missing
	@systemd/require-debian restic bubblewrap openssl busybox-static >&2

AZURITE := 3.37.0

.PHONY: servers
servers: $(VENV)/servers/.done ## install the servers that are tested against: S3 (moto), GCS, rclone, sshd, TLS, PostgreSQL
	@systemd/require-debian openssl postgresql >&2
	@systemd/require-debian rclone >&2 || echo "kronkeep: the tests continue without servers, which need Debian's rclone" >&2
	@[ -d /run/systemd/system ] || systemd/require-debian openssh-server >&2 # systemd would start it: there rclone serves SFTP

.PHONY: azurite
azurite: ## install the server that Azure storages are tested against (make torture)
	@[ -x $(VENV)/servers/azurite/node_modules/.bin/azurite-blob ] || { command -v npm >/dev/null && \
	  npm install --silent --no-fund --no-audit --no-package-lock --prefix $(VENV)/servers/azurite azurite@$(AZURITE) >&2; } || \
	  echo "kronkeep: the tests continue without azurite, which needs npm" >&2

.PHONY: newer-restic
newer-restic: $(VENV)/.dev ## install a restic newer than this Debian's, for the tests of what only it can do
	@tests/install-newer-restic $(VENV)/restic >&2

$(VENV)/.runtime: requirements.lock
	@flock .venv.lock systemd/make-venv $(PYTHON) $(VENV) requirements.lock $@ >&2

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@flock .venv.lock systemd/make-venv $(PYTHON) $(VENV) requirements-dev.lock $@ >&2

$(VENV)/servers/.done: requirements-servers.lock $(VENV)/.dev
	@flock .venv.lock systemd/make-venv $(PYTHON) $(VENV)/servers requirements-servers.lock $@ alone >&2

$(VENV)/.bench: requirements-bench.lock $(VENV)/.runtime
	@flock .venv.lock systemd/make-venv $(PYTHON) $(VENV) requirements-bench.lock $@ >&2
