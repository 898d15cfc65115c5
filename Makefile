# Two commands do everything on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .stamps
# The tests wait more than they work: more of them at once than there are processors.
WORKERS ?= 3
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs
PAGES := mkdocs.yml $(shell find docs inventories -type f -not -name '*.pyc') $(wildcard *.md)
SOURCES := $(shell find remjobs -type f -not -name '*.pyc') pyproject.toml README.md LICENSE

# What the tests need beside Python, as command:package or file:package.
TOOLS := /usr/sbin/sshd:openssh-server ssh-keygen:openssh-client ssh-agent:openssh-client \
         sudo:sudo shellcheck:shellcheck ip:iproute2 unshare:util-linux perl:perl \
         busybox:busybox mksh:mksh ksh93:ksh tcsh:tcsh fish:fish zsh:zsh doas:opendoas \
         chromium:chromium gnome-keyring-daemon:gnome-keyring dbus-daemon:dbus \
         /usr/sbin/krb5kdc:krb5-kdc /usr/sbin/kadmin.local:krb5-admin-server kinit:krb5-user \
         krb5-config:libkrb5-dev gcc:gcc python3-config:python3-dev oathtool:oathtool \
         faketime:faketime /usr/lib/*/security/pam_oath.so:libpam-oath

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test bench check docs docs-serve picture tools lock clean

demo: $(STAMPS)/installed ## Show the main job on a fleet made for the purpose.
	@$(BIN)/remjobs demo

test: tools $(STAMPS)/dev $(STAMPS)/installed check ## Check and test everything.
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

check: $(STAMPS)/dev $(STAMPS)/docs ## Format, lint, types, layers, documentation.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	shellcheck -s sh -e SC2154,SC2034 remjobs/transports/posix/sh/*.sh
	shellcheck -s sh .ci/run

docs: $(STAMPS)/docs ## Build the documentation into site/, if something of it changed.

$(STAMPS)/docs: $(STAMPS)/dev $(SOURCES) $(PAGES)
	$(MKDOCS) build -q --strict
	@touch $@

docs-serve: $(STAMPS)/dev ## Show it in a browser, and build it anew as it changes.
	$(MKDOCS) serve

picture: $(STAMPS)/dev $(STAMPS)/installed ## Take the README's picture anew; tmux is the terminal.
	PYTHONPATH=tests $(BIN)/python docs/tools/picture.py

bench: tools $(STAMPS)/dev $(STAMPS)/installed ## Measure speed and size.
	$(BIN)/python benchmarks/run.py

# As root on Debian what is missing is installed; else it is named, and that is an error.
# RUNLEVEL=1 keeps the packages from starting their services.
tools:
	@missing=; for pair in $(TOOLS); do \
	    command -v "$${pair%%:*}" >/dev/null || ls $${pair%%:*} >/dev/null 2>&1 || missing="$$missing $${pair##*:}"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	    echo "make test needs these packages:$$missing; install them, or run it as root" >&2; exit 1; fi; \
	apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y -qq --no-install-recommends $$missing >/dev/null

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "remjobs needs Python 3.11 or newer; set PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || if [ "$$(id -u)" = 0 ]; then \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null; \
	else echo "Python's venv module is missing: install the package python3-venv" >&2; exit 1; fi
	$(PYTHON) -m venv $(VENV)

$(STAMPS)/run: requirements.lock | $(BIN)/python
	$(BIN)/python -m pip install -q --require-hashes -r requirements.lock
	@mkdir -p $(STAMPS) && touch $@

# gssapi and krb5 are compiled, against libkrb5-dev: hence the tools.
$(STAMPS)/dev: requirements-dev.lock | tools $(BIN)/python
	$(BIN)/python -m pip install -q --require-hashes -r requirements-dev.lock
	@mkdir -p $(STAMPS) && touch $@ $(STAMPS)/run

# What is run and tested is the built wheel, not this folder.
$(STAMPS)/installed: $(STAMPS)/run $(SOURCES)
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation --force-reinstall .
	@touch $@

lock: ## Choose the newest versions anew.
	uv pip compile -q pyproject.toml --group build --universal --generate-hashes -U \
	    --no-emit-index-url --no-header --python-version 3.11 -o requirements.lock
	uv pip compile -q pyproject.toml --group build --group dev -c requirements.lock --universal \
	    --generate-hashes -U --no-emit-index-url --no-header --python-version 3.11 \
	    -o requirements-dev.lock

clean:
	rm -rf $(VENV) $(STAMPS) build dist site
