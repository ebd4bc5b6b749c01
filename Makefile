# Everything needs only Python >= 3.11 and make; each target installs what it uses into .venv.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --constraint constraints.txt

export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help install demo test lint bench clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/.server  ## the service and its `bots` command

demo: .venv/.server .venv/.trainer  ## train a small model through the service, with random and with BOTS tasks
	$(BIN)/python -m services.demo

test: lint .venv/.server .venv/.trainer .venv/.dev  ## all checks that run without a GPU
	$(BIN)/pytest --numprocesses auto

lint: .venv/.server .venv/.trainer .venv/.dev  ## style, types and the borders between packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright

bench: .venv/.server .venv/.dev  ## select and report over HTTP beside dense numpy, by pool size
	$(BIN)/python -m tests.bench

clean:  ## remove the virtual environment and what the demo wrote
	rm -rf .venv demo-output

.venv/bin/pip:
	$(PYTHON) -m venv .venv

# torch first and by itself: what depends on it then keeps this build.
.venv/.trainer: .venv/bin/pip pyproject.toml constraints.txt
	$(PIP) torch
	$(PIP) --editable '.[trainer]'
	@touch $@

.venv/.%: .venv/bin/pip pyproject.toml constraints.txt
	$(PIP) --editable '.[$*]'
	@touch $@
