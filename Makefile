# The commands of this project; CONTRIBUTING.md says when to use which.
PYTHON ?= python3

.PHONY: install fix check test browser slow bench docs

install:
	$(PYTHON) -m pip install -c constraints.txt -e '.[dev]'

fix:
	ruff check --fix .
	ruff format .

check:
	ruff check .
	ruff format --check .
	mypy
	lint-imports

test:
	$(PYTHON) -m pytest -n auto

# The listening page in Chromium (apt-get install chromium).
browser:
	$(PYTHON) -m pytest -m browser

slow:
	$(PYTHON) -m pytest -m slow

# By way of a temporary file: a benchmark that fails leaves the last results alone.
bench:
	$(PYTHON) -m tests.benchmarks.report > tests/benchmarks/RESULTS.md.new
	mv tests/benchmarks/RESULTS.md.new tests/benchmarks/RESULTS.md

# Into build/docs/index.html; a warning is an error.
docs:
	$(PYTHON) -m sphinx -W --keep-going -q -b html docs build/docs
