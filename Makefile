# cryptomap: all targets are idempotent, work without root, and need no network beyond the package index.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done
STATE ?= .state
LISTEN ?= 127.0.0.1:8300
WEB ?= 127.0.0.1:8480

.PHONY: dist test-packages setup demo demo-strongswan serve serve-empty test test-install load-dataplane check bench docs fuzz fuzz-validate crash soak growth clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("cryptomap needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

# The seed's story against the simulator, driven by ncclient; ends by itself.
demo: setup
	@$(BIN)/python samples/demo.py

# A real tunnel between two network namespaces of this machine: strongSwan on both ends. Needs root and Debian packages.
demo-strongswan: setup
	@$(BIN)/python samples/demo_strongswan.py

# A server that stays, with the simulator and the seed's configuration; your own SSH key is the recovery user "admin".
serve: setup
	@$(BIN)/python samples/serve.py --listen $(LISTEN) --web $(WEB) --state-dir $(STATE)

# The same with nothing configured yet, for the tours of the README.
serve-empty: setup
	@$(BIN)/python samples/serve.py --empty --listen $(LISTEN) --web $(WEB) --state-dir $(STATE)

test: setup
	$(BIN)/python -m pytest -q -n 2

# docs/install-linux.md, typed as it stands on two hosts in a virtual machine (root; some minutes).
test-install: setup
	$(BIN)/python -m pytest -q -s -p no:cacheprovider tests/dataplane/install.py

# What ten thousand maps cost the kernel and charon (root; some minutes).
load-dataplane: setup
	$(BIN)/python -m pytest -q -s -p no:cacheprovider tests/dataplane/load.py

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pyang -W error --lint --lint-ensure-hyphenated-names --max-line-length 100 -p yang -p $(VENV)/share/yang/modules yang/*.yang
	$(BIN)/pyang -p yang -p $(VENV)/share/yang/modules yang/ietf/*.yang

# What in the documents is made from the code: the table of backends, the reference of the models.
docs: setup
	$(BIN)/python -m cryptomap_backend.table docs/backends.md
	$(BIN)/python -m cryptomap.schema.reference docs/reference

bench: setup
	$(BIN)/python -m bench $(BENCH)

# Coverage-guided fuzzing of one surface (make fuzz TARGET=framing SECONDS=600); what it finds is kept in tests/.fuzz.
fuzz: setup
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[fuzz]'
	cd tests && ../$(BIN)/python -m fuzz $(or $(TARGET),framing) $(or $(SECONDS),60)

# 10,000 generated edits, our incremental verdict against our full verdict and against yanglint.
fuzz-validate: setup
	CRYPTOMAP_FUZZ_EXAMPLES=10000 $(BIN)/python -m pytest -q -p no:cacheprovider --timeout=0 tests/unit/data/validation/test_differential.py

# 200 sessions of all kinds and commits of 10,000 crypto maps, for some minutes (MINUTES=n).
soak: setup
	CRYPTOMAP_SOAK_MINUTES=$(or $(MINUTES),10) $(BIN)/python -m pytest -q -s -p no:cacheprovider $(PYTEST_ARGS) tests/soak

# A server killed 1,000 times, at every step and anywhere, and looked at after each (KILLS=n, SEED=n).
crash: setup
	CRYPTOMAP_CRASH_KILLS=$(or $(KILLS),1000) CRYPTOMAP_CRASH_SEED=$(or $(SEED),2026) \
		$(BIN)/python -m pytest -q -s -p no:cacheprovider $(PYTEST_ARGS) tests/crash/test_every_step.py

# A wheel and a Debian package in dist/ (the latter needs build-essential, debhelper and fakeroot).
dist: setup
	packaging/build-wheel dist
	packaging/build-deb dist

# The packages as users get them, in a fresh Debian; needs root, debootstrap, buildah and what dist needs.
test-packages: setup
	$(BIN)/python -m pytest -q --timeout=1200 packaging/tests

# 10,000 commits leave nothing in memory; make test makes 400.
growth: setup
	CRYPTOMAP_SOAK_COMMITS=10000 $(BIN)/python -m pytest -q -p no:cacheprovider --timeout=0 tests/unit/daemon/test_growth.py

clean:
	rm -rf $(VENV) $(STATE) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache tests/.fuzz dist
