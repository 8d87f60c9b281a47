PYTHON ?= python3
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint docs clean

demo: .venv/.core
	.venv/bin/focaltab demo

test: .venv/.dev
	@# Two workers with one thread each: boosters that share two cores only wait for one another.
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n 2 --dist worksteal

lint: .venv/.dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

# Every example in the documentation is run.
docs: .venv/.dev
	.venv/bin/python -m pytest -q --doctest-modules focaltab --doctest-glob='*.md' docs README.md

.venv/.core: pyproject.toml constraints.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python $(PIP_INSTALL) -e .
	touch $@

.venv/.dev: .venv/.core
	.venv/bin/python $(PIP_INSTALL) -e '.[dev,torch]'
	touch $@

clean:
	rm -rf .venv
