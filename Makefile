PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed

.PHONY: bench test prove gpu lint clean

## Measure everything on this machine and write the report.
bench: $(INSTALLED)
	status=0; $(PY) -m pytest benchmarks --benchmark-autosave || status=$$?; \
	$(PY) -m bench_core report && exit $$status

## Run all tests, in up to four processes at once.
test: $(INSTALLED)
	$(PY) -m pytest tests -n logical --maxprocesses 4 --dist worksteal

## Run the long proofs of the harness: one line a proof, with its figure. Keep the machine quiet meanwhile.
prove: $(INSTALLED)
	$(PY) -m pytest benchmarks/proofs benchmarks/test_harness.py -q

## Measure all that docs/gpu.md lists, on a machine with a GPU, into the folder OUT.
gpu: $(INSTALLED)
	for part in 1 2 3; do PYTHON="$(CURDIR)/$(PY)" benchmarks/gpu/run.sh $$part "$(or $(OUT),../gpu-results)"; done

## Check style and types.
lint: $(INSTALLED)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) report
