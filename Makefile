# cryptomap: all targets are idempotent, work without root, and need no network beyond the package index.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done
STATE ?= .state
LISTEN ?= 127.0.0.1:8300

.PHONY: dist test-packages setup demo serve test check bench docs fuzz-validate crash clean
