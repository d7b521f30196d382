# make depth   set up and draw an accuracy-versus-depth curve
# make bench   run all speed files again and write a page of them (hours)
# make test    set up and run the tests
# make sparse  build torch_scatter and torch_sparse from source (long)
# make lint    check style        make docs   build the pages
# make test-versions   run the tests from the oldest to the newest PyTorch
# make clean   remove everything that is made here, except out/

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check -q
INSTALL := $(PIP) install -c constraints.txt
OUT    ?= out/depth

# Depth sweep of `make depth`, small enough for ten minutes on two cores.
DEPTH ?= --methods gcn,resgcn,jknet,appnp,gcnii --depths 2,4,8,16,32,64 \
         --seeds 2 --epochs 200

# A set-up whose Python is broken is made anew; one that lacks a package is
# completed. Both are seen before any target is built. With -P, what counts is
# what is installed, not an older .egg-info of this folder.
DONE   := $(patsubst $(VENV)/stamp-%,%,$(wildcard $(VENV)/stamp-*))
EXTRAS := $(DONE) $(if $(filter docs html test,$(DONE)),benchmark html) $(if $(filter test,$(DONE)),cluster docs tune)
LACKS  := import re, sys; from importlib.metadata import requires, version; \
  [version(re.match("[A-Za-z0-9_-]+", r)[0]) for r in requires("pyg-ext") \
   if "extra" not in r or any(e in r.partition(";")[2] for e in sys.argv[1:])]
ifneq ($(wildcard $(VENV)),)
ifeq ($(shell $(BIN)/python -c 'import pip; print(1)' 2>/dev/null),)
$(info $(VENV) is broken and is made anew)
$(shell rm -rf $(VENV))
else ifeq ($(shell $(PIP) check >/dev/null 2>&1 && \
  $(BIN)/python -P -c '$(LACKS)' $(EXTRAS) 2>/dev/null && echo 1),)
$(info $(VENV) lacks packages, which are installed again)
$(shell rm -f $(VENV)/stamp-*)
endif
endif

BENCH ?= benchmarks/results

.PHONY: depth bench test test-versions sparse lint docs clean
.DELETE_ON_ERROR:

depth: $(VENV)/stamp-html
	$(BIN)/python -m benchmarks depth --dataset auto $(DEPTH) --out $(OUT)

# BENCH_ARGS=--smallest BENCH=out/bench shows in minutes whether all works.
bench: $(VENV)/stamp-test $(VENV)/stamp-wheels
	$(BIN)/python -m benchmarks bench --out $(BENCH) $(BENCH_ARGS)

test: $(VENV)/stamp-test $(VENV)/stamp-wheels
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup

# Environments of their own for the oldest to the newest versions (noxfile.py).
test-versions: | $(BIN)/python
	$(PIP) install nox
	$(BIN)/python -m nox

lint: $(VENV)/stamp-lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

# The tutorials are run, which takes some minutes at first, and again only where
# they have changed. DOCS_EXECUTE=off leaves their outputs out.
docs: $(VENV)/stamp-docs
	$(BIN)/python -m sphinx -W -q -j auto -b html docs docs/_build
	@echo "docs/_build/index.html"

# Both exist only as source in the package index: 40 minutes on two cores.
sparse: $(VENV)/stamp-test
	$(INSTALL) ninja setuptools wheel
	MAX_JOBS=$$(nproc) $(INSTALL) --no-build-isolation -e .[sparse]
	$(BIN)/python -c 'import torch_scatter, torch_sparse'
	@touch $(VENV)/stamp-wheels

clean:
	rm -rf $(VENV) build dist docs/_build docs/jupyter_execute docs/reference/generated *.egg-info
	rm -rf .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": name another with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/stamp-%: setup.cfg constraints.txt | $(BIN)/python
	$(INSTALL) -e .[$*]
	@touch $@

# Takes torch_scatter and torch_sparse where wheels for this torch are found:
# in PIP_FIND_LINKS or on PyG's own page.
$(VENV)/stamp-wheels: $(VENV)/stamp-test
	@$(BIN)/python -c 'import torch_scatter, torch_sparse' 2>/dev/null || { \
	  page=https://data.pyg.org/whl/torch-$$($(BIN)/python -c \
	    'import torch; print(torch.__version__)').html; \
	  echo "looking for wheels of torch_scatter and torch_sparse"; \
	  $(INSTALL) --timeout 5 --retries 0 --find-links $$page \
	    --only-binary torch_scatter,torch_sparse \
	    torch_scatter torch_sparse 2>/dev/null && \
	  $(BIN)/python -c 'import torch_scatter, torch_sparse'; } || { \
	  $(PIP) uninstall -y torch_scatter torch_sparse 2>/dev/null; \
	  echo "============================================================"; \
	  echo "No wheels of torch_scatter and torch_sparse were found: their"; \
	  echo "tests are skipped. To build both from source: make sparse"; \
	  echo "============================================================"; }
	@touch $@
