# Two commands on a fresh machine:
#   make reproduce [PROFILE=quick|cpu|lease|gpu|imagenet]    runs the notebooks of a profile and writes outputs/PROFILE/report.html
#   make test                                          everything that CI runs
# and
#   make site                                          the documentation as pages, into outputs/site
# All first create .venv from requirements.lock; a second call finds it in place. PYTHON picks the interpreter (3.11 or newer).

PYTHON ?= python3
PROFILE ?= quick
ARGS ?=
BIN := .venv/bin

.PHONY: reproduce test install lint proofs mutation site clean

install: .venv/.complete

.venv/.complete: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is %s; set PYTHON=/path/to/python3.11" % sys.version.split()[0])'
	@echo "Installing the locked environment into .venv (a minute or two, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

reproduce: .venv/.complete
	$(BIN)/python -m reproduce run --profile $(PROFILE) --resume $(ARGS)

lint: .venv/.complete
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal tests proofs_checks $(ARGS)

proofs: .venv/.complete
	$(BIN)/python -m proofs_checks $(ARGS)

mutation: .venv/.complete
	OMP_NUM_THREADS=1 $(BIN)/python -m proofs_checks.mutation $(ARGS)   # ARGS="--rest --minutes 60": everything outside the core

site: .venv/.complete
	@$(BIN)/python -c 'import furo, myst_parser, sphinx' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock --no-build-isolation -e '.[site]'
	$(BIN)/python -m sphinx -W --keep-going -q -d outputs/.doctrees docs outputs/site
	@echo outputs/site/index.html

clean:
	rm -rf outputs .pytest_cache .ruff_cache .hypothesis
