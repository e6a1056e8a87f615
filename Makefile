PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed

.PHONY: bench test prove lint clean

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

## Check style and types.
lint: $(INSTALLED)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) report
