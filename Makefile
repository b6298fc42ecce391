# The commands of the project. `make demo` and `make test` need Python 3.10 to 3.13 and Java 17 or newer, nothing else.
PYTHON ?= python3
VENV ?= .venv
CAMPAIGN ?= all
BIN := $(VENV)/bin
SOURCES := monitor_agent model_server tests benchmarks scripts

.PHONY: demo up test soak bench lint docs clean

demo: $(VENV)/.user
	@$(BIN)/monitor-agent demo --campaign $(CAMPAIGN)

up: $(VENV)/.user
	@$(BIN)/monitor-agent up

test: $(VENV)/.developer
	@$(BIN)/python -m pytest -q $(PYTEST_ARGS)

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

docs: $(VENV)/.developer
	@$(BIN)/monitor-agent docs

$(VENV)/.user: setup.cfg pyproject.toml
	@$(PYTHON) scripts/install.py --venv $(VENV) --stamp $@ --extras server,train,embedded

$(VENV)/.developer: setup.cfg pyproject.toml
	@$(PYTHON) scripts/install.py --venv $(VENV) --stamp $@ --extras server,train,embedded,dev

clean:
	rm -rf $(VENV) var build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
