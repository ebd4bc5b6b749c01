"""References measured by a real vLLM engine; `make test-vllm` has one for the CPU."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from statistics import fmean

import pyarrow.parquet as pq
import pytest

from services.reference_eval.evaluation import evaluate
from services.reference_eval.shards import Shard
from tests.services.reference_eval.settings import Command, evaluation

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        importlib.util.find_spec("vllm") is None, reason="vllm is not installed: make test-vllm"
    ),
]

SAMPLES = 32
BATCH = 4
ENGINE = {"type": "vllm", "batch": BATCH, "max_model_length": 32, "enforce_eager": True}
FIVE_SIGMA = 5 * (2 * 0.25 / (10 * SAMPLES)) ** 0.5  # of the difference of two means, at most


def rates(file: Path) -> list[float]:
    return pq.read_table(file)["tiny_pass_rate"].to_pylist()


def test_killed_and_resumed_vllm_measures_what_it_measures_at_once(folder: Path, model: Path):
    sampling = {"samples": SAMPLES}
    command = Command(folder, model, engine=ENGINE, sampling=sampling)
    killed = command.run(SIGNAL="SIGKILL", AT=str(BATCH * SAMPLES + 2))
    assert killed.returncode == -9, killed.stdout
    assert len(command.measured()) == BATCH
    resumed = command.run()
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "shard 0/1: 6 tasks to measure, 10 in all shards" in resumed.stderr
    assert command.measured() == Counter(f"task-{number}" for number in range(10))

    at_once = {"engine": ENGINE | {"batch": 10}, "output": str(folder / "at-once.parquet")}
    straight = Command(folder, model, sampling=sampling, **at_once)
    assert straight.run().returncode == 0
    assert rates(straight.config.output) == rates(command.config.output)

    transformers = evaluation(folder, model, sampling=sampling, output=str(folder / "transformers.parquet"))
    evaluate(transformers, Shard(0, 1))
    difference = fmean(rates(transformers.output)) - fmean(rates(command.config.output))
    assert abs(difference) < FIVE_SIGMA
