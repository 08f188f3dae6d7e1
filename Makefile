# The only list of commands. `make` alone prints it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CARGO := cargo
# Programs and tests find each other below target/.
export CARGO_TARGET_DIR := $(CURDIR)/target
MUSL := x86_64-unknown-linux-musl
PARTS := $(CURDIR)/target/parts
CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ_VERSION := 0.13.2
# Fuzzing needs a nightly Rust; this one is known to work.
NIGHTLY := nightly-2026-10-30
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := relation answer manifest inventory document key

# ring holds some C. It calls nothing of a C library that musl lacks, so where musl-gcc (Debian: musl-tools) is missing
# the ordinary gcc compiles it too; what comes out is checked to be static when it is packed.
ifneq ($(shell command -v musl-gcc),)
export CC_x86_64_unknown_linux_musl ?= musl-gcc
else
export CC_x86_64_unknown_linux_musl ?= gcc
export CFLAGS_x86_64_unknown_linux_musl ?= -U_FORTIFY_SOURCE
endif

include tests/parts.mk

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: charm parts-demo programs ## Deploy, use, back up, destroy and restore a real Synapse through the packed charm
	target/debug/demo

.PHONY: shell
shell: charm parts-demo programs ## Open a shell in such a model, with `juju` on PATH
	target/debug/demo --shell

.PHONY: test
test: charm parts ## Run the whole suite
	$(CARGO) test --locked --workspace --no-fail-fast

.PHONY: contract
contract: charm parts-contract programs ## Ask six S3 servers the same questions, with and without TLS, and one that lies; write docs/reference/stores.md
	rm -rf target/contract
	$(CARGO) test --locked --package synapse-operator-tests --test it --no-fail-fast -- --ignored s3::contract::contract_all s3::liar
	$(CARGO) test --locked --package synapse-operator-tests --test it -- --ignored --exact s3::contract::the_table_of_stores_is_written

.PHONY: check
check: rust ## Check format, lints, floors, dependencies and documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) test --locked --workspace --test it floors::
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps --document-private-items
	$(MAKE) --no-print-directory deny

.PHONY: deny
deny: $(PARTS)/bin/cargo-deny ## Check licences, bans and sources of all dependencies, offline
	$(CARGO) fetch --locked
	$(PARTS)/bin/cargo-deny --offline --locked --log-level error check licenses bans sources

.PHONY: audit
audit: $(PARTS)/bin/cargo-deny ## Check the dependencies against the published advisories, and show duplicates; needs the network
	$(PARTS)/bin/cargo-deny --locked check advisories bans

.PHONY: charm
charm: rust ## Build the static dispatch and pack target/charm/synapse.charm
	$(CARGO) build --locked --release --target $(MUSL) --bin dispatch
	$(CARGO) run --locked --quiet --package synapse-operator-tests --bin pack-charm -- \
	    target/$(MUSL)/release/dispatch target/charm/synapse.charm

.PHONY: bench
bench: charm parts parts-bench house hot ## Measure ours against tar|gpg|aws and restic, prove each result, write docs/reference/performance.md (QUICK=1 BENCH_SETS= BENCH_ROUNDS= BENCH_MINUTES=)
	target/house/bench

.PHONY: bench-micro
bench-micro: parts-bench hot ## Measure the hot loops alone, and count their instructions
	$(CARGO) bench --locked --package synapse-operator-micro --target $(MUSL)
	tests/micro/count.sh target/$(MUSL)/release/hot

.PHONY: memory
memory: charm parts ## Save and restore 20 GiB (MEMORY_GIB) and a million files (MEMORY_FILES) within backup_memory; takes 55 GB of disk and many minutes
	$(CARGO) test --locked --package synapse-operator-tests --test it -- --ignored --nocapture memory::

.PHONY: soak
soak: charm parts programs ## Strike a restore at every moment there is, then at moments by chance (SOAK_MINUTES=10 SOAK_SEED=)
	target/debug/soak

# Finds what it finds in target/fuzz, never in the seeds that are kept.
.PHONY: fuzz
fuzz: $(PARTS)/bin/cargo-fuzz ## Feed what others write with bytes of all kinds, for FUZZ_SECONDS=60 in all
	@rustup run $(NIGHTLY) rustc --version > /dev/null 2>&1 \
	    || rustup toolchain install $(NIGHTLY) --profile minimal > /dev/null 2>&1 \
	    || { echo 'make: fuzzing needs the Rust toolchain $(NIGHTLY), and rustup cannot install it' >&2; exit 1; }
	mkdir -p target/fuzz/found $(FUZZ_TARGETS:%=target/fuzz/corpus/%)
	export PATH="$(PARTS)/bin:$$PATH" CARGO_TARGET_DIR=$(CURDIR)/target/fuzz; cd tests/fuzz; \
	cargo +$(NIGHTLY) fuzz build --fuzz-dir .; \
	for target in $(FUZZ_TARGETS); do \
	    cargo +$(NIGHTLY) fuzz run --fuzz-dir . $$target $(CURDIR)/target/fuzz/corpus/$$target corpus/$$target -- \
	        -artifact_prefix=$(CURDIR)/target/fuzz/found/$$target- -max_len=65536 -rss_limit_mb=1024 -timeout=10 \
	        -max_total_time=$$(( $(FUZZ_SECONDS) / $(words $(FUZZ_TARGETS)) )); \
	done

.PHONY: fmt
fmt: rust ## Format all sources
	$(CARGO) fmt --all

.PHONY: clean
clean: ## Remove all that was built or installed below target/
	$(CARGO) clean

# The programs of the test house, where they find each other: side by side in target/debug.
.PHONY: programs
programs: rust
	$(CARGO) build --locked --workspace --bins

# The same with optimisation, for the bench.
.PHONY: house
house: rust
	$(CARGO) build --locked --profile house --package synapse-operator-tests --bins

# The hot loops as a program, built as the charm is.
.PHONY: hot
hot: rust
	$(CARGO) build --locked --release --target $(MUSL) --package synapse-operator-micro --bin hot

# The toolchain of rust-toolchain.toml, with the musl target.
.PHONY: rust
rust:
	@command -v $(CARGO) > /dev/null || { echo 'make: Rust is missing: install rustup from https://rustup.rs' >&2; exit 1; }
	@[ -d "$$(rustc --print sysroot)/lib/rustlib/$(MUSL)" ] || { \
	    command -v rustup > /dev/null \
	        || { echo 'make: this Rust has no target $(MUSL): install rustup from https://rustup.rs, which adds it' >&2; exit 1; }; \
	    rustup target add $(MUSL); }

# Built without optimisation: installing takes a third of the time, and a check of our tree 2 s.
$(PARTS)/bin/cargo-deny: | rust
	CARGO_PROFILE_DEV_DEBUG=0 $(CARGO) install cargo-deny --version $(CARGO_DENY_VERSION) --locked --debug --root $(PARTS)

$(PARTS)/bin/cargo-fuzz: | rust
	CARGO_PROFILE_DEV_DEBUG=0 $(CARGO) install cargo-fuzz --version $(CARGO_FUZZ_VERSION) --locked --debug --root $(PARTS)
