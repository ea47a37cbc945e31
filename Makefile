# Everything runs in .venv; each target does its own set-up.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: setup system demo run test lint nano clean

setup: system $(STAMP)

# Qt, OpenGL and the virtual screen are Debian's; installed when we may, else the one line to run is printed.
system:
	@sh .ci/system-libraries

$(STAMP): pyproject.toml lapose_core/pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "torch>=2.13,<2.14"
	$(BIN)/python -m pip install --quiet -e ./lapose_core -e ".[dev]"
	@touch $@

demo: setup
	@sh .ci/demo $(DEMO)

run: setup
	$(BIN)/lapose-inspector $(LOG)

test: setup
	@sh .ci/test $(TESTS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The bundled checkpoint from nothing: render, codec, latent actions, pose head, evaluation.
nano: setup
	@sh resources/nano/train.sh

clean:
	rm -rf $(VENV) out
