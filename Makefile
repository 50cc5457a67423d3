# Set-up and the named jobs. Everything runs in .venv, which is made from requirements.lock.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := table
.PHONY: table report app test fast slow more lint types coverage docs wheel bench gpu draws env schema clean clean-all help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= all
BIN := .venv/bin
# TORCH=cpu installs PyTorch without the CUDA libraries (by uv, which knows where its CPU wheels are)
TORCH ?=
# uv installs the same lock faster; UV= keeps to pip
UV ?= $(shell command -v uv)
PLAIN := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PIP := $(if $(UV),VIRTUAL_ENV=.venv $(UV) pip install --quiet,$(PLAIN))
ifneq ($(TORCH),cpu)
# uv does not read pip's configuration, such as the address of a mirror
LOCKED := $(PIP) -r requirements.lock$(if $(UV), || { echo "uv could not: pip tries"; $(PLAIN) -r requirements.lock; })
else ifneq ($(UV),)
LOCKED := $(PIP) --torch-backend=cpu -r requirements.lock
else
LOCKED := $(PIP) uv && VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --torch-backend=cpu -r requirements.lock
endif
STAMP := .venv/installed
SNAKEFILES := Snakefile workflow/Snakefile rules

table: $(STAMP)  ## results/table.csv and results/timing.csv on the embedded benchmark
	$(BIN)/snakemake --cores $(CORES) results/table.csv

report: $(STAMP)  ## the paper's tables and figures, and results/report.html
	$(BIN)/snakemake --cores $(CORES) tables figures report_page

# APP='--gallery path/to/folder --port 8080': options, which APP=--help lists
APP ?=
app: $(STAMP)  ## a search and measured sessions in a browser: http://127.0.0.1:8000 (APP='--gallery FOLDER': one's own images)
	$(BIN)/snakemake --cores $(CORES) human_pack
	$(BIN)/python -m icl.apps.web $(APP)

test: lint fast slow  ## everything that CI runs

help:  ## these lines
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 16

env: $(STAMP)  ## .venv from requirements.lock (TORCH=cpu: without CUDA)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=/path/to/it" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(LOCKED)
	$(PIP) --no-build-isolation --no-deps --editable .
	touch $@

lint: $(STAMP) types  ## ruff, snakefmt, snakemake --lint, mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check $(SNAKEFILES)
	$(BIN)/snakemake --lint

types: $(STAMP)  ## mypy on icl/
	$(BIN)/mypy

coverage: $(STAMP)  ## unit tests under coverage, with its floor; results/coverage
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow" --cov --cov-report=term:skip-covered --cov-report=html

docs: $(STAMP)  ## the documentation's pages, offline; build/site/index.html
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -d build/doctrees docs build/site

wheel: $(STAMP)  ## source archive and wheel of the package and the workflow; dist/
	$(BIN)/python -m build --no-isolation

fast: $(STAMP)  ## unit tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow"

slow: $(STAMP)  ## the smoke DAG end to end, also through a faulty MLLM server
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=12 -m "slow and not (long or slurm or browser)"

more: $(STAMP)  ## long tests: MLLM servers, kills, Slurm (as root), browser
	$(BIN)/python -m pytest -m "slow and (long or slurm or browser)"

bench: $(STAMP)  ## costly things beside the usual ways, and their growth; results/bench/*.json, docs/growth.png
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.bench_metrics
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.bench_retriever
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.bench_mllm
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.bench_index
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.bench_feedback
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.bench_growth

gpu: $(STAMP)  ## what a GPU changes, checked and measured; results/gpu.json (ICL_DEVICE=cpu: the same on a CPU)
	ICL_DEVICE=$(ICL_DEVICE) $(BIN)/python -m tests.gpu.check

# Other people, pictures and captions than the default's, and models trained on them: seeds of the data, not of the training.
DRAWS ?= 1 2 3
draws: $(STAMP)  ## all rows on three further drawings of the benchmarks, with tests (hours); results/draws
	for n in $(DRAWS); do \
	  $(BIN)/snakemake --cores $(CORES) beyond --config results=results/draw$$n threads=1 "thi={timing_queries: 4, timing_passes: 1}" \
	    "datasets={synthpedes: {seed: $${n}007}, synthwinter: {seed: $${n}008}, synthfine: {seed: $${n}009}}" || exit 1; \
	done
	$(BIN)/python -m icl.report.draws $(DRAWS:%=results/draw%) results/draws

clean:  ## remove results, but neither those of paper scale nor answers that a server or people gave
	@test ! -d results || find results -mindepth 1 -maxdepth 1 ! -name paper ! -name answers ! -name human -exec rm -rf {} +
	@if ls results/human/sessions/*.jsonl >/dev/null 2>&1; \
	then echo "results/human stays: people answered (make clean-all removes it)"; else rm -rf results/human; fi
	@if grep -qsE '"backend": "(openai|ollama)"' results/answers/*/*.jsonl; \
	then echo "results/answers stays: a server answered (make clean-all removes it)"; else rm -rf results/answers; fi
	@test ! -e results/paper || echo "results/paper stays (make clean-all removes it)"

clean-all:  ## remove all results, after a question
	@printf 'Remove results/ (%s) and .snakemake/, also what took days or was paid for? [y/N] ' "$$(du -sh results 2>/dev/null | cut -f1)"; \
	read answer; test "$$answer" = y || { echo "Nothing was removed."; exit 1; }
	rm -rf results .snakemake

schema: $(STAMP)  ## after a change of a settings.py
	$(BIN)/python -m icl.workflow.config > config/schema.yaml
