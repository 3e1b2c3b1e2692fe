# A Python from 3.10 to 3.13: the first of these that runs, or `make PYTHON=...`.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$name -c '$(SUPPORTED)' 2>/dev/null && echo $$name && exit; done; echo python3)
SUPPORTED = import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
# TensorFlow 2.15, which TensorFlow Addons needs, ends at Python 3.11.
PYTHON_TFA ?= python3.11
BIN = .venv/bin

DOWNLOADS ?= downloads
SEEDS ?= 0 1 2
# Processes of `make test`; each takes some 3 GB and a core. The tests of a file share
# what is slow to make, and so a process.
TEST_WORKERS ?= 2

.PHONY: help venv demo head helen celebamask_hq web web-test test slow coverage mutants docs \
	backends lint audit format oracle clean

help:  ## Show this list.
	@grep -hE '^[a-z_-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z_-]+):.*## /  \1\t/'

venv: .venv/.installed  ## Make .venv and install the package, with every extra.

# The pip that comes with old Pythons searches for a very long time: update it first.
.venv/.installed: pyproject.toml
	@python='$(PYTHON)'; $$python -c '$(SUPPORTED)' 2>/dev/null || { \
		echo "stn-icnn-tf needs Python 3.10 to 3.13, and '$$python' is none" \
		"of them. Try: make PYTHON=python3.11 venv" >&2; \
		exit 1; }; \
		$$python -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@

demo: venv  ## Parse a photo, then train a small model on drawn faces.
	$(BIN)/python -m trainers.demo

# What makes the models of stn_icnn_tf/weights; an interrupted run goes on. `helen` and
# `head` start from the model `celebamask_hq`.
TRAIN = $(BIN)/python -m trainers.train --precision=mixed_bfloat16 \
	--manual_dir='$(DOWNLOADS)'

celebamask_hq: venv  ## Train, score and release it (DOWNLOADS=folder of the data).
	$(TRAIN) --dataset=celeb_a_mask_hq --preset=celebamask_hq \
		--schedule=celebamask_hq_cpu --run_dir=runs/celebamask_hq
	$(BIN)/python -m trainers.evaluate --model=runs/celebamask_hq \
		--dataset=celeb_a_mask_hq/all --manual_dir='$(DOWNLOADS)' --subgroups
	$(BIN)/python -m trainers.release --model=runs/celebamask_hq \
		--dataset=celeb_a_mask_hq --manual_dir='$(DOWNLOADS)' \
		--output=stn_icnn_tf/weights/celebamask_hq.keras

head: venv  ## The same of whole heads; HELEN is mixed in.
	$(TRAIN) --dataset=celeb_a_mask_hq/all --mix=helen=0.12 --preset=head \
		--schedule=head_cpu --init_from=celebamask_hq --run_dir=runs/head
	$(BIN)/python -m trainers.evaluate --model=runs/head \
		--dataset=celeb_a_mask_hq/all --manual_dir='$(DOWNLOADS)' --subgroups
	# It is for photos taken anywhere: HELEN's say from where on a face is searched.
	$(BIN)/python -m trainers.release --model=runs/head \
		--dataset=helen --manual_dir='$(DOWNLOADS)' \
		--output=stn_icnn_tf/weights/head.keras

runs/helen_%/model.keras: | venv
	$(TRAIN) --dataset=helen --preset=helen --seed=$* --schedule=helen_cpu \
		--init_from=celebamask_hq --run_dir=$(@D)
	$(BIN)/python -m trainers.evaluate --model=$(@D) --dataset=helen

helen: $(SEEDS:%=runs/helen_%/model.keras)  ## The same of helen: the mean of three seeds.
	$(BIN)/python -m trainers.release $(SEEDS:%=--model=runs/helen_%) \
		--dataset=helen --manual_dir='$(DOWNLOADS)' \
		--output=stn_icnn_tf/weights/helen.keras
	$(BIN)/python -m trainers.evaluate --model=helen --dataset=helen --subgroups

# What the page runs; any model of stn_icnn_tf/weights.
WEB_MODEL ?= head

web: build/browser/$(WEB_MODEL)/model.json  ## Build the page for browsers: web/build.
	npm --prefix web ci --ignore-scripts --no-audit --no-fund
	rm -rf web/build
	node web/build.mjs $(<D)
	$(BIN)/python web/example.py web/build/astronaut.png
	cp stn_icnn_tf/weights/LICENSE web/build/LICENSE-weights.txt

build/browser/%/model.json: stn_icnn_tf/weights/%.keras $(wildcard \
		stn_icnn_tf/export/*.py stn_icnn_tf/inference/*.py) | venv
	$(BIN)/python -m trainers.export --model=$* --output=$(@D) --format=browser

web-test: web  ## Test that page, in the machine's Chromium.
	$(BIN)/python -m pytest tests/web

test: venv  ## Run the tests, but for the slow ones.
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile -m 'not slow'

slow: venv  ## Run those that take minutes: several processes, kills, a built page.
	$(BIN)/python -m pytest -m slow

coverage: venv  ## Run the tests, and list the branches that none of them takes.
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --cov --cov-report=term

mutants: venv  ## Change the code in one place at a time (MODULE=losses): does a test notice?
	$(BIN)/python -m pip install --quiet 'cosmic-ray>=8.7,<9'
	$(BIN)/python -m tests.mutants $(MODULE)

docs: venv  ## Make the site of the docs, strictly: build/site.
	$(BIN)/python -m docs.site

backends: venv .venv-backends/.installed  ## Check the masks on JAX and PyTorch.
	$(BIN)/python -m pytest tests/test_backends.py

.venv-backends/.installed: requirements-backends.txt
	$(PYTHON) -m venv --clear .venv-backends
	.venv-backends/bin/python -m pip install --quiet --upgrade pip
	.venv-backends/bin/python -m pip install --quiet -r requirements-backends.txt
	@touch $@

lint: venv  ## Check style, format and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

audit: venv  ## Look for known weaknesses in what is installed (asks the package index).
	mkdir -p build
	$(BIN)/python -m pip freeze --local --exclude-editable > build/audit.txt
	$(BIN)/pip-audit --strict --no-deps --disable-pip -r build/audit.txt

format: venv  ## Fix what can be fixed and format.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

oracle: .venv-tfa/.installed  ## Rewrite the TensorFlow Addons vectors (needs Python 3.11).
	.venv-tfa/bin/python tests/oracles/make_tfa_vectors.py

.venv-tfa/.installed: requirements-tfa.txt
	$(PYTHON_TFA) -m venv --clear .venv-tfa
	.venv-tfa/bin/python -m pip install --quiet --upgrade pip
	.venv-tfa/bin/python -m pip install --quiet -r requirements-tfa.txt
	@touch $@

clean:  ## Remove the environments, caches and build output.
	rm -rf .venv .venv-* .coverage* build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
