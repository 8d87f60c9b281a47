PYTHON ?= python3
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check -c constraints.txt
SOURCES = focaltab tests benchmarks

.PHONY: demo test lint docs bench clean

demo: .venv/.core
	.venv/bin/focaltab demo

test: .venv/.dev
	.venv/bin/python -m pytest -n 2 --dist worksteal

lint: .venv/.dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

# Every example in the documentation is run.
docs: .venv/.dev
	.venv/bin/python -m pytest -q --doctest-modules focaltab --doctest-glob='*.md' docs README.md

bench: .venv-bench/.ready
	.venv-bench/bin/python -m benchmarks

.venv/.core: pyproject.toml constraints.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python $(PIP_INSTALL) -e .
	touch $@

.venv/.dev: .venv/.core
	.venv/bin/python $(PIP_INSTALL) -e '.[dev,torch]'
	touch $@

# The peers pin old versions of what they use, so they come without their dependencies.
.venv-bench/.ready: pyproject.toml constraints.txt
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python $(PIP_INSTALL) -e '.[dev]' optuna
	.venv-bench/bin/python -m pip install --quiet --no-deps imbalance-xgboost==0.8.1 imlightgbm==0.1.2
	touch $@

clean:
	rm -rf .venv .venv-bench
