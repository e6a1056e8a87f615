PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
LOWEST := .venv-lowest
LOWEST_PYTHON ?= python3.12
TESTS := -m pytest tests -n logical --maxprocesses 4 --dist worksteal
REHEARSAL := -m pytest tests/rehearsal -m rehearsal -q -n logical --maxprocesses 4 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help bench test test-lowest rehearse prove gpu portability lint clean

## List the targets.
help:
	@awk '/^## / { about = about " " substr($$0, 4); next } \
	      about && /^[a-z-]+:/ { sub(":.*", ""); printf "make %-12s%s\n", $$0, about } { about = "" }' $(MAKEFILE_LIST)

## Measure everything on this machine in 5 minutes and write report/index.html.
bench: $(INSTALLED)
	status=0; $(PY) -m pytest benchmarks --benchmark-autosave --bench-budget 5 || status=$$?; \
	$(PY) -m bench_core report && exit $$status

## Run all tests, in up to four processes at once.
test: $(INSTALLED)
	$(PY) $(TESTS)

## Run all tests on the lowest supported torch (2.11.0), with Python 3.12, in an environment of its own.
test-lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/python $(TESTS)

## Run every workload's CUDA paths without a GPU: on fake tensors and on an emulated GPU. Takes long.
rehearse: $(INSTALLED)
	$(PY) $(REHEARSAL)
	EMULATED_CUDA_GPUS=2 $(PY) -m tests.emulated_cuda "$(CURDIR)/$(PY)" $(REHEARSAL)

## Run the long checks of the harness, one line each. Keep the machine idle meanwhile.
prove: $(INSTALLED)
	$(PY) -m pytest benchmarks/proofs benchmarks/test_harness.py -q

## Measure all that docs/gpu.md lists, on a machine with a GPU. OUT=folder (default ../gpu-results).
gpu: $(INSTALLED)
	for part in 1 2 3 4 5 6 7 8; do PYTHON="$(CURDIR)/$(PY)" benchmarks/gpu/run.sh $$part "$(or $(OUT),../gpu-results)"; done

## Run tests, a sweep and the report in many settings (SETTINGS=names), one line each. SHORT=1: minutes, not hours.
portability: $(INSTALLED)
	$(PY) -m tests.portability $(if $(SHORT),--short) $(SETTINGS)

## Check style, types and the layers of imports.
lint: $(INSTALLED)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

## Delete the virtual environments, the report and the history.
clean:
	rm -rf $(VENV) $(LOWEST) report history

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

$(LOWEST)/.installed: pyproject.toml
	$(LOWEST_PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet "torch==2.11.0" "torchvision==0.26.0" --editable ".[dev]"
	touch $@
