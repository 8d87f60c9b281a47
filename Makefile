PYTHON ?= python3
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint docs site examples gallery bench clean

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
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -q -n 2 --doctest-modules focaltab --doctest-glob='*.md' docs README.md

# The documentation as a site, in site/; whatever is not right on it is an error. The tests build it too.
site: .venv/.dev
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet

# Every notebook runs from the top; the tests see to it that it is what its script makes.
examples: .venv/.dev
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -q -n 2 --nbmake --nbmake-timeout=600 examples

# The notebooks, anew from their scripts, with outputs.
gallery: .venv/.dev
	.venv/bin/python examples/build.py

bench: .venv-bench/.done
	.venv-bench/bin/python -m benchmarks --write

.venv/.core: pyproject.toml constraints.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python $(PIP_INSTALL) -e .
	touch $@

.venv/.dev: .venv/.core
	.venv/bin/python $(PIP_INSTALL) -e '.[dev,torch]'
	touch $@

# The others ask for old versions of their libraries, which they do not need to be timed.
.venv-bench/.done: pyproject.toml constraints.txt benchmarks/others.txt
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python $(PIP_INSTALL) -e '.[torch,tune,plots]' torchvision narwhals
	.venv-bench/bin/python -m pip install --quiet --no-deps -r benchmarks/others.txt
	touch $@

clean:
	rm -rf .venv .venv-bench site
