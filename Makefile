# Everything is built in release mode, so that the dependencies compile once for `up`, `test` and
# `bench` alike. Needs: Rust (rust-toolchain.toml names the version), a C compiler, make; for `test`
# also Node 20 and Python 3 with venv.

CARGO   ?= cargo
NODE    ?= node
NPM     ?= npm
PYTHON  ?= python3
# Where `make up` keeps its network between runs.
DATA    ?= cairn-data
# Further arguments of `cairn up`, such as UP="--validators 4".
UP      ?=

BIN     := target/release/cairn
CLIENTS := tests/clients
VENV    := $(CLIENTS)/.venv

.DEFAULT_GOAL := help
.PHONY: help build up down test test-rust test-clients run-clients check bench clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | awk -F'\t' '{printf "  make %-14s %s\n", $$1, $$2}'

build: ## Build the cairn binary
	$(CARGO) build --release --locked -p cairn

up: build ## Build, then run a development network here; Ctrl-C stops it, its state stays
	$(BIN) up --data-dir $(DATA) $(UP)

down: ## Forget the network of `make up` (stop it first)
	rm -rf $(DATA)

test: test-rust run-clients ## Run every test: Rust first, then real Ethereum clients against the binary

test-rust: ## Run the Rust tests
	$(CARGO) test --release --locked --workspace

test-clients: build run-clients ## Run viem, ethers, cast and web3.py against the binary

# The binary is there: `cargo test` and `cargo build` both leave it in the same place.
run-clients: $(CLIENTS)/node_modules/.package-lock.json $(VENV)/installed
	cd $(CLIENTS) && $(NPM) test
	cd $(CLIENTS) && .venv/bin/python -m pytest python

$(CLIENTS)/node_modules/.package-lock.json: $(CLIENTS)/package-lock.json
	cd $(CLIENTS) && $(NPM) ci --no-audit --no-fund
	@touch $@

$(VENV)/installed: $(CLIENTS)/python/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

check: ## Check format, lints and (where cargo-deny is installed) licences and advisories
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check; \
	else echo "cargo-deny is not installed: advisories not checked (cargo install cargo-deny --locked)"; fi

bench: build $(CLIENTS)/node_modules/.package-lock.json ## Measure this machine: executor, transfers beside Anvil, latency
	$(BIN) bench executor
	$(BIN) bench reads
	$(BIN) bench transfers
	$(BIN) bench latency

clean: ## Remove everything that was built or installed here; networks stay
	$(CARGO) clean
	rm -rf $(CLIENTS)/node_modules $(CLIENTS)/build $(VENV)
