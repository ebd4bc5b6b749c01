"""Rollouts by a real vLLM engine; `make test-vllm` has one for the CPU."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from services.command_line.configuration import save_mapping
from services.trainer.records import read_records
from tests.services.tiny import trainer_config
from tests.services.trainer.logs import (
    assert_each_selection_counted_once,
    events_of,
    evidence_in_log,
    evidence_in_records,
)

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        importlib.util.find_spec("vllm") is None, reason="vllm is not installed: make test-vllm"
    ),
]

MOST_DIFFERENCE = 1e-3


def log_probabilities(model: Path) -> torch.Tensor:
    """Of each token after "abc"."""
    prompt = AutoTokenizer.from_pretrained(model)("abc", return_tensors="pt")
    with torch.no_grad():
        logits = AutoModelForCausalLM.from_pretrained(model)(**prompt).logits
    return logits[0, -1].log_softmax(dim=0)


def test_vllm_samples_from_the_weights_of_each_update(folder: Path, service_url: str):
    config = trainer_config(
        folder,
        service_url,
        "vllm",
        rollouts={
            "engine": {
                "type": "vllm-colocate",
                "max_model_length": 32,
                "dtype": "float32",
                "enforce_eager": True,
            }
        },
        training={"learning_rate": 0.03},
    )
    save_mapping(folder / "config.yaml", config)
    trained = subprocess.run(
        [sys.executable, "-m", "services.trainer", str(folder / "config.yaml")],
        env=os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert trained.returncode == 0, trained.stderr

    records = read_records(folder / "vllm")
    events = events_of(service_url, "vllm")
    assert len(records.steps) == 5
    assert_each_selection_counted_once(events, selections=5)
    assert evidence_in_log(events) == evidence_in_records(records)

    # TRL compares the log-probabilities of the sampled tokens, as vLLM saw them and as the trainer sees them.
    state = json.loads((folder / "vllm" / "checkpoint-5" / "trainer_state.json").read_text())
    differences = [
        logs["sampling/sampling_logp_difference/max"] for logs in state["log_history"] if "reward" in logs
    ]
    print("largest differences of log-probabilities by step:", differences)
    assert len(differences) == 5
    assert max(differences) < MOST_DIFFERENCE
    # Had the weights not arrived, the differences would be of this size.
    moved = (log_probabilities(folder / "vllm" / "model") - log_probabilities(folder / "model")).abs().max()
    print("log-probabilities moved in training by up to:", moved.item())
    assert moved > 100 * MOST_DIFFERENCE
