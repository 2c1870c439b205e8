# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
#
# make demo [KEEP=1]   three real systemd servers become external instances of an emulated AWS
# make test            everything that CI runs: lint unit sanity integration molecule
# make matrix          every state a server may be in, what a run makes of it, and what that costs
# make long            the server tests that would make every run too long
# make bench           AWS calls and times beside amazon.aws, as ratios
# Everything made lies in .cache; `make clean` removes it. Servers run in containers, so demo and molecule want root.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3
C := $(CURDIR)/.cache
BIN := $(C)/venv/bin
COLLECTION := $(C)/collections/ansible_collections/hybrid/ecs_anywhere
STAGE := $(C)/stage/ansible_collections/hybrid/ecs_anywhere
SOURCES := $(shell git ls-files -co --exclude-standard 2>/dev/null)
SHIPPED := $(filter galaxy.yml README.md COPYING CHANGELOG.md requirements.txt meta/% plugins/% roles/% playbooks/% docs/% changelogs/%,$(SOURCES))
TESTBED := tests/hosts/testbed
SCENARIOS ?= $(sort $(patsubst extensions/molecule/%/molecule.yml,%,$(wildcard extensions/molecule/*/molecule.yml)))

# One place for Ansible's own files, and our collection before any other.
export ANSIBLE_HOME := $(C)/ansible
export ANSIBLE_COLLECTIONS_PATH := $(C)/collections
export ANSIBLE_LOCALHOST_WARNING := false
export ANSIBLE_INVENTORY_UNPARSED_WARNING := false
export ANSIBLE_NOCOLOR := 1
export PATH := $(BIN):$(PATH)

.PHONY: help
help:
	@sed -n '4,/^$$/s/^# //p' Makefile

# --- what is needed -------------------------------------------------------------------------------------------------

# Debian's packages: what runs servers, what builds their image and packages, and a browser that looks at reports.
TOOLS := podman runc debootstrap dpkg-scanpackages gpg openssl ssh ssh-keygen rsync iptables rpmbuild chromium chromedriver
PACKAGES := podman runc debootstrap dpkg-dev gpg gpg-agent openssl openssh-client rsync iptables netavark \
            aardvark-dns python3-venv ca-certificates rpm chromium chromium-driver fonts-dejavu-core

$(C)/tools: Makefile
	@mkdir -p $(C)
	@if ! command -v $(TOOLS) >/dev/null || ! [ -e /usr/lib/podman/netavark ] || ! $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	  echo "installing $(PACKAGES)"; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  { apt-get update && apt-get install --yes --no-install-recommends $(PACKAGES); } >$(C)/apt.log 2>&1 || { tail -n 20 $(C)/apt.log; exit 1; }; \
	fi
	@touch $@

$(C)/venv/ready: requirements.txt requirements-dev.txt tests/emulator/requirements.txt | $(C)/tools
	@echo "installing Ansible and the test tools (about a minute; once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	@$(PYTHON) -m venv $(C)/venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt 2>&1 | { grep -v '^WARNING: Location' || :; }
	@touch $@

# The emulator runs on the Python of the test server, Debian 12's.
$(C)/emulator-site/ready: tests/emulator/requirements.txt $(C)/venv/ready
	@rm -rf $(C)/emulator-site
	@$(BIN)/pip install --quiet --disable-pip-version-check --target $(C)/emulator-site --only-binary :all: \
	  --implementation cp --python-version 3.11 --platform manylinux_2_28_$$(uname -m) --platform manylinux2014_$$(uname -m) \
	  --platform any -r tests/emulator/requirements.txt 2>&1 | { grep -v '^WARNING: Location' || :; }
	@touch $@

$(C)/agents/ready: Makefile $(filter tests/agents/%,$(SOURCES)) | $(C)/tools
	@$(PYTHON) tests/agents/build --out $(C)/agents --region us-east-1 --region eu-west-1 \
	  --ssm-version 3.3.3050.0 --ssm-version 3.3.4108.0 --ecs-version 1.104.0 --ecs-version 1.105.1
	@touch $@

# The tarball is what users get, so it is what the playbooks of all tests run from.
$(C)/collections/ready: $(SHIPPED) | $(C)/venv/ready
	@rm -rf $(C)/collections $(C)/dist && mkdir -p $(C)/collections
	@ansible-galaxy collection build --force --output-path $(C)/dist . >/dev/null
	@ansible-galaxy collection install --offline --no-deps --force -p $(C)/collections $(C)/dist/*.tar.gz >/dev/null 2>&1
	@touch $@

.PHONY: setup servers
setup: $(C)/tools $(C)/venv/ready $(C)/collections/ready

servers: setup $(C)/emulator-site/ready $(C)/agents/ready
	@[ "$$(id -u)" = 0 ] || { echo "servers in containers want root"; exit 1; }
	@tests/hosts/build-image bookworm

# --- tests ----------------------------------------------------------------------------------------------------------

# Two files at a time, as much of it is waiting; each worker has a test bed of its own.
ON_SERVERS := $(BIN)/python -m pytest -q -n 2 --dist loadfile

.PHONY: test lint unit sanity integration molecule
test: lint unit sanity integration molecule
	@echo "make test: all passed"

lint: setup
	ruff check .
	ruff format --check .
	cd $(C)/collections && mypy --config-file $(CURDIR)/pyproject.toml -p ansible_collections.hybrid.ecs_anywhere.plugins
	ansible-lint --offline --profile production
	antsibull-docs lint-collection-docs --plugin-docs $(COLLECTION)
	antsibull-changelog lint

unit: setup
	$(BIN)/python -m pytest -q -n 2 tests/unit

# ansible-test wants the collection in a tree of its own name, and pip from the internet, for which ensurepip serves. The
# emulator, the stand-in agents and the test servers are programs of their own, which it would take for plugins.
sanity: setup
	@rm -rf $(C)/stage && mkdir -p $(STAGE) $(C)/home/.ansible/test/cache
	@git ls-files -c --exclude-standard | grep -vE '^tests/(emulator|agents|hosts|servers|benchmark|browser)/' | rsync -a --ignore-missing-args --files-from=- ./ $(STAGE)/
	@git -C $(STAGE) init --quiet && git -C $(STAGE) add --all
	@ln -sfn "$$(echo $(C)/venv/lib/python*/site-packages/ansible_collections/amazon)" $(C)/stage/ansible_collections/amazon
	@sed -nE "s/.*pip='([0-9.]+)'.*/\1/p" $(C)/venv/lib/python*/site-packages/ansible_test/_internal/python_requirements.py | \
	  while read -r version; do \
	    echo 'import ensurepip; ensurepip.bootstrap()' >$(C)/home/.ansible/test/cache/get_pip_$${version//./_}.py; done
	cd $(STAGE) && HOME=$(C)/home ansible-test sanity --local --color no \
	  --python $$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

integration: setup $(C)/agents/ready
	$(BIN)/python -m pytest -q -n 2 --dist loadfile tests/emulator/tests tests/agents/tests
	$(BIN)/python -m pytest -q tests/browser
	tests/integration/run

molecule: servers
	@for scenario in $(SCENARIOS); do \
	  echo "--- molecule: $$scenario"; tests/hosts/molecule test -s $$scenario; done
	$(ON_SERVERS) --durations=5 $(addprefix --ignore ,$(LONG)) tests/servers

# Server tests that would make each run too long.
LONG := $(addprefix tests/servers/test_,cluster.py identity.py options.py packages.py rpm.py docker.py docker_rpm.py \
        exec.py snap.py surroundings.py upgrade.py workloads.py) $(wildcard tests/servers/test_kills*.py)
.PHONY: long matrix rpm-servers
rpm-servers: servers
	@tests/hosts/build-rpm-image

long: rpm-servers
	$(ON_SERVERS) --durations=5 $(LONG)

matrix: rpm-servers
	@$(ON_SERVERS) --matrix -m state $(addprefix tests/servers/test_,states.py identity.py register.py \
	  node_role.py snap.py bad_input.py options.py surroundings.py) $(wildcard tests/servers/test_kills*.py)

# --- to look at -----------------------------------------------------------------------------------------------------

.PHONY: demo demo-down bench clean
demo: servers
	@KEEP=$(KEEP) SUITE=$(SUITE) tests/hosts/demo

demo-down:
	@$(TESTBED) down

bench: setup
	@$(BIN)/python tests/benchmark

clean:
	@[ ! -d $(C) ] || $(TESTBED) down
	@rm -rf $(C)
