# The commands of the project. `make demo` and `make test` need only Python 3.10 to 3.13 and Java 17 or newer.
PYTHON ?= python3
VENV ?= .venv
SCENARIO ?= search
CAMPAIGN ?=
WORKERS ?= 2
BIN := $(VENV)/bin
SOURCES := monitor_agent model_server tests benchmarks scripts
# Without bytecode each of the many processes would compile the product again, a quarter of a command's start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo up test test-fast soak bench lint lock docs wheel clean

demo: $(VENV)/.user
	@$(BIN)/monitor-agent demo --scenario $(SCENARIO) $(if $(CAMPAIGN),--campaign $(CAMPAIGN))

up: $(VENV)/.user
	@$(BIN)/monitor-agent up

# Two processes: each takes the next file of tests, and has an Elasticsearch of its own. WORKERS=0 starts none besides.
test: $(VENV)/.developer
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

# Lint, unit tests and doctests: nothing is started, nothing is downloaded.
test-fast: lint
	@$(BIN)/python -m pytest -q tests/unit monitor_agent model_server --ignore=model_server/training $(PYTEST_ARGS)

soak: $(VENV)/.developer
	@$(BIN)/python -m pytest -q -m soak $(PYTEST_ARGS)
	@$(BIN)/python -m benchmarks soak.agent_ten_million

bench: $(VENV)/.developer
	@$(BIN)/python -m benchmarks

lint: $(VENV)/.developer
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/monitor-agent docs --check

# Renew requirements/*.txt from the ranges in setup.cfg; LOCK_ARGS=--keep changes only what no longer fits.
lock: $(VENV)/.developer
	@$(BIN)/python scripts/lock.py $(LOCK_ARGS)

docs: $(VENV)/.developer
	@$(BIN)/monitor-agent docs
	@$(BIN)/python -m tests.unit.test_architecture

# The wheel, in dist/. A folder of an earlier build would leave files in it that are gone.
wheel: $(VENV)/.developer
	@rm -rf build
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir dist .
	@ls dist/*.whl

$(VENV)/.user: requirements/user.txt setup.cfg pyproject.toml
	@$(PYTHON) scripts/install.py --venv $(VENV) --stamp $@ --lock $<

$(VENV)/.developer: requirements/dev.txt setup.cfg pyproject.toml
	@$(PYTHON) scripts/install.py --venv $(VENV) --stamp $@ --lock $<

clean:
	rm -rf $(VENV) var build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
