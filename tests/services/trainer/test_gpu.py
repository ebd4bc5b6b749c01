"""Training on an NVIDIA GPU: `make test-gpu`."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch

from services.command_line.configuration import save_mapping
from services.trainer.records import read_records
from tests.services.tiny import save_tiny_model, trainer_config
from tests.services.trainer.logs import (
    assert_each_selection_counted_once,
    events_of,
    evidence_in_log,
    evidence_in_records,
)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU"),
]

STEPS = 20
MODEL = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 16,
    "num_attention_heads": 16,
    "max_position_embeddings": 1024,
    "initializer_range": 0.02,
}
ENGINES: list[dict[str, Any]] = [
    {"type": "transformers"},
    {"type": "vllm-colocate", "gpu_memory_utilization": 0.3, "max_model_length": 1024},
]


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine["type"])
def test_twenty_steps_on_the_gpu(folder: Path, service_url: str, engine: dict[str, Any]):
    if engine["type"] != "transformers" and importlib.util.find_spec("vllm") is None:
        pytest.skip("vllm is not installed: .venv/bin/pip install -c services/trainer/constraints.txt vllm")
    run = f"gpu-{engine['type']}"
    config = trainer_config(
        folder,
        service_url,
        run,
        model={"path": str(save_tiny_model(folder / "large", **MODEL))},
        rollouts={"max_tokens": 512, "engine": engine},
        training={"steps": STEPS, "prompts": 16, "rollouts": 16, "device_batch": 64, "learning_rate": 1e-5},
        checkpoints={"every": STEPS},
    )
    save_mapping(folder / "config.yaml", config)
    trained = subprocess.run(
        [sys.executable, "-m", "services.trainer", str(folder / "config.yaml")],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert trained.returncode == 0, trained.stderr
    records = read_records(folder / run)
    events = events_of(service_url, run)
    assert_each_selection_counted_once(events, selections=STEPS)
    assert evidence_in_log(events) == evidence_in_records(records)
    steps = records.steps[1:]  # the first one compiles
    share = sum(step.selector_seconds for step in steps) / sum(step.seconds for step in steps)
    print(
        f"{torch.cuda.get_device_name()}, {engine['type']}: median step {median(s.seconds for s in steps):.2f} s, "
        f"{100 * share:.3f} % of the time in select and report"
    )
