# The only entry points. What needs logic is Rust: `pressgate plugin build`, the tests, `tests/tidy`.
#
#   make demo [ONCE=1]   the gateway, a sample network and three calls; ONCE=1 ends when the post is seen
#   make test            everything that must be green; installs what it needs
#   make bench           the figures beside their bars; writes target/bench/summary.json; installs what it needs
#   make soak COUNT=…    the long form of every counted test
#   make plugins         every plugin and every guest of the tests, as components
#   make deps            what the above need
#   make advisories      known vulnerabilities of the dependencies; needs the advisory database, so the internet

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help deps deps-demo deps-test deps-bench programs plugins demo test fmt clippy unit doc deny examples bench soak advisories

DENY_VERSION := 0.20.2
# Where Debian's golang-golang-x-mod-dev puts the packages that tests/go-verifier is built on.
GO_SUMDB     := /usr/share/gocode/src/golang.org/x/mod/sumdb
# Built by one cargo run, so that what they have in common is built once.
PROGRAMS     := -p pressgate -p sample-network -p demo
BUILT         = $(shell cargo metadata --no-deps --format-version=1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug
DEMO_PLUGINS := plugins/guidelines plugins/mastodon
GUESTS       := $(patsubst %/Cargo.toml,%,$(sort $(wildcard plugins/*/Cargo.toml tests/guests/*/Cargo.toml)))
NODE         := $(patsubst %/package-lock.json,%/node_modules/.package-lock.json,$(wildcard tests/*/package-lock.json))
# The tests that tell as many stories as PRESSGATE_SOAK says.
COUNTED      ?= test(counted)

ifneq ($(filter soak,$(MAKECMDGOALS)),)
$(if $(COUNT),,$(error make soak needs COUNT=<stories for each counted test>))
endif

say = @printf '\n== %s\n' '$(1)'

help:
	@sed -n 's/^#   //p' Makefile

deps: deps-demo deps-test

deps-demo:
	$(call say,deps: the target that plugins are built for)
	@test -d "$$(rustc --print target-libdir --target wasm32-unknown-unknown)" || rustup target add wasm32-unknown-unknown

deps-test: $(NODE) tests/sdks/venv/.installed tests/calendar/venv/.installed tests/webhooks/venv/.installed
	$(call say,deps: what the tests run with)
	@cargo nextest --version >/dev/null 2>&1 || env -u CARGO_TARGET_DIR cargo install --locked cargo-nextest
	@cargo deny --version 2>/dev/null | grep -F ' $(DENY_VERSION)' >/dev/null \
	  || env -u CARGO_TARGET_DIR cargo install --locked cargo-deny --version $(DENY_VERSION)
	@command -v strace >/dev/null || { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -qy strace; } \
	  || { echo 'strace is missing: a test counts system calls with it. Install it, then run make again.' >&2; exit 1; }
	@command -v curl >/dev/null && command -v openssl >/dev/null || { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -qy --no-install-recommends curl openssl; } \
	  || { echo 'curl or openssl is missing: the forward door is tested with them. Install both, then run make again.' >&2; exit 1; }
	@command -v redis-server >/dev/null || { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -qy --no-install-recommends redis-server; } \
	  || { echo 'redis-server is missing: limits that gateways share are tested with it (7 or later). Install it, then run make again.' >&2; exit 1; }
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -qy --no-install-recommends chromium; } \
	  || { echo 'Chromium is missing: the pages are used with it as people would. Install it, then run make again.' >&2; exit 1; }
	@command -v docker-registry >/dev/null || { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -qy --no-install-recommends docker-registry; } \
	  || { echo 'docker-registry is missing: plugins are pushed to it and pulled from it. Install Debian'"'"'s docker-registry, then run make again.' >&2; exit 1; }
	@ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -qy --no-install-recommends libfaketime; } \
	  || { echo 'libfaketime is missing: a test moves the clock of the program with it. Install it, then run make again.' >&2; exit 1; }
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -qy --no-install-recommends postgresql; } \
	  || { echo 'PostgreSQL is missing: the Bluesky network that SDKs are tested against keeps its data there. Install it, then run make again.' >&2; exit 1; }
	@test -e /usr/share/request-tracker5/libexec/rt-server || { test "$$(id -u)" = 0 && apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends request-tracker5 rt5-db-sqlite rt5-standalone dbconfig-no-thanks; } \
	  || { echo 'Request Tracker 5 is missing: a connector keeps its tickets there. Install Debian'"'"'s request-tracker5, rt5-db-sqlite and rt5-standalone, then run make again.' >&2; exit 1; }
	@{ command -v go && test -d $(GO_SUMDB); } >/dev/null \
	  || { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -qy --no-install-recommends golang-go golang-golang-x-mod-dev; } \
	  || { echo 'Go or golang.org/x/mod is missing: a test has the log checked by them. Install Debian'"'"'s golang-go and golang-golang-x-mod-dev, then run make again.' >&2; exit 1; }

deps-bench: deps-demo tests/bench/venv/.installed
	$(call say,deps: what the gateway is measured beside)
	@{ command -v nginx && command -v wrk; } >/dev/null \
	  || { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -qy --no-install-recommends nginx wrk; } \
	  || { echo 'nginx or wrk is missing: native calls are measured with them. Install them, then run make again.' >&2; exit 1; }
	cargo build --release --locked --manifest-path tests/envoy-filter/Cargo.toml --target wasm32-unknown-unknown --target-dir $(patsubst %/debug,%,$(BUILT))

# A native module of the PDS is compiled when its prebuilt form cannot be had; node's own headers serve, where it has them.
tests/%/node_modules/.package-lock.json: tests/%/package-lock.json tests/%/package.json
	$(call say,deps: what node needs for tests/$*)
	@prefix="$$(dirname "$$(dirname "$$(readlink -f "$$(command -v node)")")")"; \
	  if test -e "$$prefix/include/node/node.h"; then export npm_config_nodedir="$$prefix"; fi; \
	  npm ci --prefix tests/$* --no-audit --no-fund
	@touch $@

tests/%/venv/.installed: tests/%/requirements.txt
	$(call say,deps: what Python needs for tests/$*)
	@python3 -c 'import ensurepip' 2>/dev/null || { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -qy --no-install-recommends python3-venv; }
	@python3 -m venv --clear tests/$*/venv
	@tests/$*/venv/bin/pip install -q --disable-pip-version-check --no-deps -r $<
	@touch $@

programs: deps-demo
	$(call say,programs: gateway; sample network; demo)
	cargo build $(PROGRAMS)

plugins: programs
	$(call say,plugins: $(notdir $(GUESTS)))
	$(BUILT)/pressgate plugin build $(GUESTS)

demo: programs
	$(call say,demo: its plugins $(notdir $(DEMO_PLUGINS)))
	$(BUILT)/pressgate plugin build $(DEMO_PLUGINS)
	$(call say,demo)
	@$(BUILT)/demo $(if $(ONCE),--once)

# In this order, also under `make -j`: the quick answers come first.
test:
	@$(MAKE) deps
	@$(MAKE) fmt
	@$(MAKE) clippy
	@$(MAKE) plugins
	@$(MAKE) unit
	@$(MAKE) doc
	@$(MAKE) deny
	@$(MAKE) examples
	$(call say,test: all green)

fmt:
	$(call say,fmt)
	cargo fmt --all --check

clippy:
	$(call say,clippy)
	cargo clippy --workspace --all-targets -- -D warnings

unit:
	$(call say,nextest: unit tests; the rules of tests/tidy; the integration tests)
	cargo nextest run --workspace

doc:
	$(call say,doctests: the examples of the SDK; what must not compile)
	cargo test --doc -p pressgate-sdk -p pressgate

deny:
	$(call say,deny: bans; licences; sources)
	cargo deny check --hide-inclusion-graph bans licenses sources

examples:
	$(call say,examples)
	@$(MAKE) demo ONCE=1

bench: deps-bench plugins
	$(call say,bench: the program that is measured and the one that measures; both optimised)
	cargo build --release -p pressgate -p bench
	cargo run --release -p bench

soak: deps-test plugins
	$(call say,soak: $(COUNT) stories for each counted test)
	PRESSGATE_SOAK=$(COUNT) PROPTEST_CASES=$(COUNT) cargo nextest run --workspace --profile soak -E '$(COUNTED)'

advisories: deps-test
	$(call say,advisories)
	cargo deny check advisories
