# Everything a person or a machine runs. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
ONLY ?=
DESTDIR ?=
# More than cores: most of a test's time is waiting for Jobs to end.
PYTEST_WORKERS ?= 4

.PHONY: help demo test check format lint types walls pytest torture bench locks picture clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.runtime: requirements.lock
	@flock .venv.lock systemd/make-venv $(PYTHON) $(VENV) requirements.lock $@ >&2

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@flock .venv.lock systemd/make-venv $(PYTHON) $(VENV) requirements-dev.lock $@ >&2

.PHONY: debian
debian: ## install restic, bubblewrap and openssl from Debian where they are missing
	@systemd/require-debian restic bubblewrap openssl >&2

$(VENV)/servers/.done: requirements-servers.lock $(VENV)/.dev
	@flock .venv.lock systemd/make-venv $(PYTHON) $(VENV)/servers requirements-servers.lock $@ alone >&2

.PHONY: servers
servers: $(VENV)/servers/.done ## the servers that storages are tested against: S3 (moto), rclone, sshd, TLS
	@systemd/require-debian rclone openssl >&2
	@[ -d /run/systemd/system ] || systemd/require-debian openssh-server >&2 # systemd would start it: there rclone serves SFTP

demo: $(VENV)/.runtime debian ## a cluster, a daemon and the terminal on a fresh state folder (ARGS="--headless --for 180")
	@$(BIN)/kronkeep demo $(ARGS)

test: check pytest ## everything: format, lint, types, walls, tests

check: format lint types walls ## everything but the tests

format: $(VENV)/.dev ## ruff format, only checking
	@$(BIN)/ruff format --check .

lint: $(VENV)/.dev ## ruff lint
	@$(BIN)/ruff check .

types: $(VENV)/.dev ## mypy --strict
	@$(BIN)/mypy --strict

walls: $(VENV)/.dev ## the import contracts
	@$(BIN)/lint-imports

.PHONY: newer-restic
newer-restic: $(VENV)/.dev ## a newer restic than this Debian's, for the tests of what it can do more
	@tests/newer-restic $(VENV)/restic >&2

pytest: $(VENV)/.dev debian servers newer-restic ## the tests
	@systemd/require-debian kubernetes-client >&2 || echo "kronkeep: the tests go on without Debian's kubectl" >&2
	@systemd/require-debian tmux strace >&2
	@$(BIN)/pytest -n $(PYTEST_WORKERS) --dist worksteal -m "not torture" $(ARGS)

.PHONY: e2e
e2e: $(VENV)/.dev debian servers newer-restic ## the end-to-end tests on any cluster: KRONKEEP_E2E_KUBECONFIG=FILE (tests/e2e/anywhere.py)
	@$(BIN)/pytest -n 0 -m "not torture" tests/e2e $(ARGS)

torture: $(VENV)/.dev debian servers newer-restic ## long fault injection: kills, power cuts, full disks
	@systemd/require-debian strace xfsprogs >&2
	@$(BIN)/pytest -m torture --timeout 3600 $(ARGS)

$(VENV)/.bench: requirements-bench.lock $(VENV)/.runtime
	@flock .venv.lock systemd/make-venv $(PYTHON) $(VENV) requirements-bench.lock $@ >&2

bench: $(VENV)/.bench debian ## benchmarks as ratios (ONLY=store for one group); the last line is one JSON object
	@$(BIN)/python -m benchmarks $(ONLY)

picture: $(VENV)/.dev ## draw the README's picture of the terminal anew
	@$(BIN)/python -m tests.ui.picture tui/picture.svg

.PHONY: reference
reference: $(VENV)/.runtime ## write the API's reference page, the help's routes and the README's keys anew from their tables
	@$(BIN)/python -m kronkeep_daemon.http.reference daemon/API.md tui/kronkeep_tui/cli/routes.json
	@$(BIN)/python -m kronkeep_tui.key_reference README.md

locks: ## write the lock files anew (needs uv)
	uv pip compile -q --generate-hashes --no-header --extra build -o requirements.lock pyproject.toml
	uv pip compile -q --generate-hashes --no-header --extra build --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml
	uv pip compile -q --generate-hashes --no-header --extra build --extra bench -c requirements.lock -o requirements-bench.lock pyproject.toml
	printf 'moto[s3]>=5\nflask\nflask-cors\n' | uv pip compile -q --generate-hashes --no-header -o requirements-servers.lock -

.PHONY: install
install: $(VENV)/.runtime ## the program and its units below DESTDIR (DEPENDENCIES=no for a distribution's own)
	@DESTDIR=$(DESTDIR) systemd/install $(VENV)

clean: ## remove what make made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
