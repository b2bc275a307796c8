# Two commands for everybody: `make demo` and `make test`. Each sets up what it needs; the second time is quick.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := Cargo.toml Cargo.lock pyproject.toml $(shell find rust -name '*.rs')

.PHONY: relay-demo fleet relay-soak inspector-soak relay-matrix demo test debian-packages dev check lint types rust-test as-root loom other-systems soak doors suites bench bench-core bench-json python-test format wheel manylinux smoke mod-wsgi sdist deny footprint fuzz screenshots clean coverage differential har-tools oldest-dependencies newest-dependencies

# FRAMEWORK=django or fastapi: the sample app of that one, once `make dev` has installed it.
demo: $(VENV)/.installed ## sample API under gunicorn -> redacted logs in a local stand-in server and on a page in the browser
	$(BIN)/readme-metrics demo --inspect $(if $(FRAMEWORK),--framework $(FRAMEWORK))

# The Python tests wait most of the time. Meanwhile the Rust tests are built and run, with the processor time that is left.
test: debian-packages check ## everything that CI runs
	$(MAKE) --jobs=2 --output-sync=target NICE="env --unset=MAKEFLAGS nice -n 19" python-test loom rust-test as-root

debian-packages: ## what the tests need from Debian: redis-server, nginx, chromium
	.ci/debian_packages

dev: $(VENV)/.dev ## set up for development: the package in place, with all tools

check: lint types ## linters and type checks

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --no-default-features --all-targets -- -D warnings

types: $(VENV)/.dev
	$(BIN)/mypy
	$(BIN)/stubtest readme_metrics._core

rust-test:
	$(NICE) cargo test --locked --no-default-features

# Tests that mount file systems or become another user. Without root they are reported as ignored and as skipped, so CI runs
# them once more as root. They leave no file that another user would have to remove.
ROOT = $(if $(filter 0,$(shell id -u)),env,sudo --non-interactive env)

as-root: $(VENV)/.dev ## the tests that need root, by sudo
	$(NICE) cargo test --locked --no-default-features --test queue_as_root --config 'target."cfg(unix)".runner = "$(ROOT)"' -- --ignored
	$(if $(filter 0,$(shell id -u)),@echo "python-test runs those of pytest",$(ROOT) PYTHONDONTWRITEBYTECODE=1 $(BIN)/pytest -p no:cacheprovider -m root)

# Loom replaces every atomic, so it has a target directory of its own. With this bound on preemptions, loom fails if
# any of the four orderings is weakened; a higher bound finds nothing more.
loom:
	LOOM_MAX_PREEMPTIONS=12 RUSTFLAGS="--cfg loom" $(NICE) cargo test --locked --no-default-features --test loom --target-dir target/loom

# What other systems get, tried on this one: `elsewhere` has neither posix_fallocate nor pages that are cleared on fork,
# `portable` no record locks either (Windows), so that every queue is private memory.
other-systems:
	RUSTFLAGS="--cfg elsewhere" cargo test --locked --no-default-features --target-dir target/elsewhere \
		--test queue_entries --test queue_rungs --test queue_damaged_files --test queue_vanishing \
		--test queue_fork --test queue_kill
	RUSTFLAGS="--cfg portable" cargo test --locked --no-default-features --target-dir target/portable \
		--test ring_model --test queue_private

# The tests of crashes and forks, at full size: some minutes. Half of the processes of a round are killed, half end.
soak:
	QUEUE_KILL_ROUNDS=8000 QUEUE_FORKS=1000 QUEUE_RECYCLES=10000 \
		cargo test --locked --release --no-default-features --test queue_kill --test queue_fork --test queue_recycle -- --nocapture

relay-demo: $(VENV)/.installed debian-packages ## two apps, a Redis, two relays: one of each is killed, and the sum is shown
	$(BIN)/pip install --quiet 'redis>=5.0'
	$(BIN)/python benches/relay/demo.py

fleet: $(VENV)/.dev debian-packages ## 1,000 hosts on this machine: CPU per log, connections, an outage and its end; three minutes
	$(BIN)/python benches/relay/fleet.py

# The tests of kills at full size. RELAY_KILL_ROUNDS: how many relays are killed in turn.
relay-soak: $(VENV)/.dev debian-packages
	RELAY_KILL_ROUNDS=40 $(BIN)/pytest --override-ini timeout=1200 -s tests/test_relay_kills.py tests/test_relay_take_over.py -k "killed or sigterm or siblings"

inspector-soak: $(VENV)/.dev debian-packages ## 120,000 logs through the inspector with its page open: the memory of both stays flat
	$(BIN)/pytest -q -s tests/inspector_soak.py

# Other servers speak the same protocol. RELAY_SERVERS are names on the PATH, or paths; those not installed here are skipped.
RELAY_SERVERS ?= redis-server valkey-server

relay-matrix: $(VENV)/.dev ## the relay's tests on each of RELAY_SERVERS that is installed
	for server in $(RELAY_SERVERS); do \
		command -v $$server >/dev/null || { echo "$$server: not here"; continue; }; \
		$$server --version && RELAY_SERVER=$$(command -v $$server) $(BIN)/pytest tests/test_relay*.py || exit 1; \
	done

doors: $(VENV)/.dev ## the door of each framework on each server: bytes, logs, duplicates, first byte of a stream
	$(BIN)/pytest -q tests/doors_on_servers.py

suites: $(VENV)/.dev ## the test suites of Werkzeug, Flask, Bottle, WebTest, gevent and more, bare and wrapped (needs the package index)
	$(BIN)/python tests/suites/run.py

bench-core: ## criterion: filtering, encoding, queueing
	cargo bench --locked --no-default-features

bench-json: ## the core's JSON filter beside jiter, serde_json and sonic-rs
	cd benches/json_engines && CARGO_TARGET_DIR=$(CURDIR)/target/json_engines cargo run --quiet --release --locked

# Ten minutes on a quiet machine. Needs valgrind and wrk (Debian packages of these names).
bench: $(VENV)/.installed ## bare app, floor, published SDK and ours, side by side: the tables of benches/README.md
	test -x $(VENV)/published/bin/python || $(PYTHON) -m venv $(VENV)/published
	$(VENV)/published/bin/pip install --quiet readme-metrics==3.4.0 gunicorn fastapi
	$(BIN)/python benches/middleware/compare.py --published $(VENV)/published/bin/python
	$(BIN)/python benches/middleware/instructions.py --published $(VENV)/published/bin/python
	$(BIN)/python benches/middleware/served.py --published $(VENV)/published/bin/python
	$(BIN)/python benches/middleware/lasting.py --published $(VENV)/published/bin/python
	$(BIN)/python benches/middleware/imported.py --published $(VENV)/published/bin/python
	test -x $(VENV)/peers/bin/python || $(PYTHON) -m venv $(VENV)/peers
	$(VENV)/peers/bin/pip install --quiet 'apitally[fastapi]==1.0.0' 'sentry-sdk==2.75.0'
	$(BIN)/python benches/middleware/asgi.py --published $(VENV)/published/bin/python --peers $(VENV)/peers/bin/python
	$(BIN)/python benches/middleware/asgi.py --instructions --published $(VENV)/published/bin/python --peers $(VENV)/peers/bin/python
	$(BIN)/python benches/middleware/scale.py

# The `+` shows this target's output as it comes, even if make runs several targets at once.
python-test: $(VENV)/.dev
	+$(BIN)/pytest

oldest-dependencies newest-dependencies: $(VENV)/.dev ## capture, redaction and delivery with other versions of what we import
	$(BIN)/python .ci/test_dependencies.py $(@:-dependencies=)

# The same comparison with a small sample is part of `make test`.
DIFFERENTIAL_REQUESTS ?= 50000

differential: $(VENV)/.dev ## no value that a parser of five frameworks reads as a denied field is in the log
	DIFFERENTIAL_REQUESTS=$(DIFFERENTIAL_REQUESTS) $(BIN)/pytest -s --timeout 0 tests/test_framework_parsers.py

har-tools: $(VENV)/.dev ## logs against har-validator and @readme/httpsnippet; needs Node.js, npm and curl
	$(BIN)/python .ci/har_tools.py

# The coverage of the tests that run in one process, and of the Rust tests (needs cargo-llvm-cov and llvm-tools).
coverage: $(VENV)/.dev ## lines covered, Python and Rust
	$(BIN)/pip install --quiet coverage
	$(BIN)/coverage run --source python/readme_metrics -m pytest -q
	$(BIN)/coverage report --skip-covered
	cargo llvm-cov --locked --no-default-features --summary-only

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cargo fmt

wheel: $(VENV)/.tools ## dist/*.whl, for this machine's own libc
	$(BIN)/maturin build --release --locked --compression-level 9 --out dist

# Zig brings the symbol versions of an old glibc, so that a wheel built here runs on any Linux since 2014 (manylinux2014).
manylinux: $(VENV)/.tools ## dist/manylinux/*.whl for glibc 2.17, its tag and size checked
	$(BIN)/pip install --quiet 'ziglang>=0.13'
	rm -rf dist/manylinux
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/maturin build --release --locked --compression-level 9 --zig --compatibility manylinux2014 --out dist/manylinux
	$(BIN)/python .ci/check_wheel.py dist/manylinux/*.whl

smoke: manylinux ## that wheel, installed and run on every CPython >= 3.10 of this machine
	$(BIN)/python .ci/smoke.py dist/manylinux/*.whl

mod-wsgi: manylinux ## that wheel under Apache (Debian's apache2 and libapache2-mod-wsgi-py3)
	$(BIN)/python .ci/mod_wsgi.py dist/manylinux/*.whl

sdist: $(VENV)/.tools ## dist/sdist/*.tar.gz, and a wheel built from it as pip would
	rm -rf dist/sdist
	$(BIN)/maturin sdist --out dist/sdist
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist/sdist dist/sdist/*.tar.gz

deny: ## licences, duplicates and sources of the crates, and known vulnerabilities (needs cargo-deny and a network)
	cargo deny --locked check

footprint: manylinux ## installed size and import time, beside the published SDK 3.4.0
	$(BIN)/python benches/footprint.py dist/manylinux/*.whl readme-metrics==3.4.0

# What the fuzzer finds goes to target/fuzz; fuzz/corpus is changed by hand only.
FUZZ_TARGETS ?= json form multipart cookies repeats exchange_body open_segment
FUZZ_SECONDS ?= 60

fuzz: ## each fuzz target for FUZZ_SECONDS (needs a nightly toolchain and cargo-fuzz)
	for target in $(FUZZ_TARGETS); do \
		mkdir -p target/fuzz/$$target && \
		cargo +nightly fuzz run $$target target/fuzz/$$target fuzz/corpus/$$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

# Each PNG has a palette, so that it stays below 150 KB.
screenshots: $(VENV)/.dev debian-packages ## new docs/inspector-*.png: the page of `readme-metrics inspect`, wide, narrow, light, dark
	$(BIN)/pip install --quiet 'pillow>=10'
	$(BIN)/python .ci/inspector_screenshots.py docs

clean:
	rm -rf $(VENV) target dist

$(VENV)/.tools: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is needed; name one with PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet 'maturin>=1.9.4,<2'
	touch $@

$(VENV)/.installed: $(VENV)/.tools $(SOURCES)
	$(BIN)/maturin develop --quiet --release --locked --extras demo
	touch $@

# A target of its own, so that the demo does not wait for the servers and frameworks that only the tests need.
$(VENV)/.dev: $(VENV)/.installed
	$(BIN)/maturin develop --quiet --release --locked --extras dev,demo
	touch $@
