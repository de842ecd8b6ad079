# The six commands of this project; CONTRIBUTING.md says when to use which.
PYTHON ?= python3

.PHONY: install fix check test slow bench

install:
	$(PYTHON) -m pip install -c constraints.txt -e '.[test]'

fix:
	ruff check --fix .
	ruff format .

check:
	ruff check .
	ruff format --check .
	mypy
	lint-imports

test:
	$(PYTHON) -m pytest

slow:
	$(PYTHON) -m pytest -m slow

# By way of a temporary file: a benchmark that fails leaves the last results alone.
bench:
	$(PYTHON) -m tests.benchmarks.report > tests/benchmarks/RESULTS.md.new
	mv tests/benchmarks/RESULTS.md.new tests/benchmarks/RESULTS.md
