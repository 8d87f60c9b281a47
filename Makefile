PYTHON ?= python3
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check -c constraints.txt

# Empty, so that bytecode is kept even where the shell forbids it: runs start many processes.
export PYTHONDONTWRITEBYTECODE =
# As tests/conftest.py sets it, for what runs without it.
ONE_THREAD = OMP_NUM_THREADS=1 OMP_THREAD_LIMIT=1
# A core for each worker; tests that share fitted models stay on one (tests/conftest.py).
PYTEST = -m pytest -n 2 --dist loadgroup
QUICK = -m "not (slow or browser or cluster)"

# Wheels of the oldest versions are for the oldest Python; the newest versions leave it behind.
NEWEST_PYTHON ?= $(or $(lastword $(sort $(wildcard $(HOME)/.pyenv/versions/3.1[2-9].*/bin/python))),3.13)
UV = .venv/bin/uv
UV_INSTALL = $(UV) pip install --quiet -e '.[test,dask,serve]' --python
COMPAT = -m pytest tests/compat
# What was installed, for whoever reads of a failure.
VERSIONS = grep -E '^(dask|lightgbm|numpy|pandas|scikit-learn|skops|xgboost)='

.PHONY: demo test test-all test-core compat mutation lint docs site examples gallery bench clean

demo: .venv/.core
	.venv/bin/focaltab demo

test: .venv/.dev
	.venv/bin/python $(PYTEST) $(QUICK)

# Everything: after the quick tests the others, and those of numbers once more with more examples,
# in random order and as on a processor with AVX2 alone; then those of numbers as on one without it.
test-all: test docs site examples
	.venv/bin/python tests/as_processor.py avx2 $(PYTEST) --hypothesis-profile=thorough \
		-m "slow or browser or cluster or numbers"
	.venv/bin/python tests/as_processor.py sse $(PYTEST) -m "numbers and not slow"

# The tests of what needs the core dependencies alone, where nothing else is installed.
test-core: .venv-core/.done
	.venv-core/bin/python $(PYTEST) $(QUICK)

# What other libraries do not promise (focaltab/_compat), under the oldest versions that
# pyproject.toml allows and under the newest that there are, both installed anew.
compat: .venv/.uv
	$(UV) venv --quiet --clear --python 3.11 .venv-lowest
	$(UV_INSTALL) .venv-lowest --resolution lowest-direct
	$(UV) pip freeze --python .venv-lowest | $(VERSIONS)
	.venv-lowest/bin/python $(COMPAT)
	$(UV) venv --quiet --clear --python $(NEWEST_PYTHON) .venv-newest
	$(UV_INSTALL) .venv-newest --upgrade
	$(UV) pip freeze --python .venv-newest | $(VERSIONS)
	.venv-newest/bin/python $(COMPAT)

# The share of a seeded sample of small faults that the tests find.
mutation: .venv/.mutation
	.venv/bin/python tests/mutation.py

lint: .venv/.dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

# Every example in the documentation is run.
docs: .venv/.dev
	$(ONE_THREAD) .venv/bin/python -m pytest -q -n 2 -p no:randomly --doctest-modules focaltab --doctest-glob='*.md' docs README.md

# The documentation as a site, in site/; whatever is not right on it is an error.
site: .venv/.dev
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet

# Every notebook runs from the top; the tests see to it that it is what its script makes.
examples: .venv/.dev
	$(ONE_THREAD) .venv/bin/python -m pytest -q -n 2 -p no:randomly --nbmake --nbmake-timeout=600 examples

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

.venv-core/.done: pyproject.toml constraints.txt
	test -x .venv-core/bin/python || $(PYTHON) -m venv .venv-core
	.venv-core/bin/python $(PIP_INSTALL) -e '.[test]'
	touch $@

.venv/.uv:
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python $(PIP_INSTALL) uv
	touch $@

.venv/.mutation: .venv/.dev
	.venv/bin/python $(PIP_INSTALL) -e '.[mutation]'
	touch $@

# The others ask for old versions of their libraries, which they do not need to be timed.
.venv-bench/.done: pyproject.toml constraints.txt benchmarks/others.txt
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python $(PIP_INSTALL) -e '.[torch,tune,plots]' torchvision narwhals
	.venv-bench/bin/python -m pip install --quiet --no-deps -r benchmarks/others.txt
	touch $@

clean:
	rm -rf .venv .venv-bench .venv-core .venv-lowest .venv-newest site mutants
