# The only door: every target says what it does. The work is in scripts/.

CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help setup setup-test build command library demo test test-c test-tsan test-valgrind test-tools test-php84 test-bare check-abi check-zts bench bench-proxy soak-proxy lint fmt install install-c install-command clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what Debian lacks to build: PHP's headers, clang, gcc (what else demo and tests need comes with those)
	@scripts/setup build

setup-test:
	@scripts/setup test

build: ## Build the PHP extension: target/release/libgrpc.so
	$(CARGO) build --release -p viaduct-php

command: ## Build the command: target/release/viaduct
	$(CARGO) build --release -p viaduct --bin viaduct

# Link-time optimisation leaves a library out that is also built for Rust: 9 % of the instructions for a call. And it
# inlines less where there is more: client, server and proxy in one take 5 % more of them than each alone would.
library: ## Build the C library: target/release/libviaduct.so and .a
	$(CARGO) rustc --quiet --release -p viaduct --lib --crate-type cdylib,staticlib -- -Cllvm-args=-inline-threshold=400

demo: ## A greeter: PHP serves, PHP and Python call, all four kinds
	@scripts/setup demo
	@scripts/demo

test: setup-test ## Run every test: Rust, C, .phpt, interop with grpcio both ways, php-fpm, Apache, the command, the admin page, the demo, debuggers
	@scripts/test

test-c: setup-test ## Run the tests of the C API only
	@scripts/c-test

test-tsan: setup-test ## Run the tests of the C API under ThreadSanitizer (Rust's nightly; not part of CI)
	@scripts/c-tsan

test-valgrind: setup-test ## Run the .phpt set under valgrind
	@scripts/test --valgrind

test-tools: setup-test build ## Run a chosen set of .phpt under Xdebug, pcov, an observer, opcache with JIT and preloading
	@scripts/test-tools

test-php84: ## Run the .phpt set with PHP 8.4, in a chroot with Debian trixie (root; not part of CI)
	@scripts/php84

test-bare: ## Do what a stranger does in a bare Debian 12 and a bare Debian 13: demo, test, install (root; not part of CI)
	@scripts/test-bare

check-abi: ## Compare the C library's ABI with that of the last release
	@scripts/c-abi

check-zts: ## Check that the extension compiles for a thread-safe PHP; nothing is run (not part of CI)
	@scripts/check-zts

bench: setup-test build ## Measure beside bare h2 and tonic (BENCH_BEFORE=grpc.so: an earlier build, BENCH_PEER=grpc.so: another extension); prints ratios
	@scripts/bench

bench-proxy: setup-test ## Measure the proxy beside nginx, HAProxy and Envoy, which it installs; prints ratios (not part of CI)
	@scripts/bench-proxy

soak-proxy: setup-test ## Let the proxy run under load for 10 minutes (MINUTES=n) and see whether it grows (not part of CI)
	@scripts/soak-proxy $(MINUTES)

lint: setup-test ## Check formatting, clippy, the C header, and the syntax of all scripts
	@scripts/lint

fmt: ## Format the Rust code
	$(CARGO) fmt --all

# Those that install build nothing: root often has no cargo, and what root builds is root's.
install: ## Put grpc.so, as 'make build' has made it, into PHP's extension directory and enable it (DESTDIR is honoured)
	@scripts/install

install-c: ## Install the C library of 'make library': header, .so, .a, pkg-config, CMake (PREFIX and DESTDIR are honoured)
	@scripts/install-c

install-command: ## Install the command of 'make command' (PREFIX and DESTDIR are honoured)
	@scripts/install-command

clean: ## Remove everything that was built, and the Python environment
	$(CARGO) clean
	rm -rf build .venv
