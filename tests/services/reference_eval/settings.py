"""An evaluation of a tiny model, and reward functions that tests steer by the environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

from services.command_line.configuration import merge, save_mapping
from services.reference_eval.config import ReferenceEvaluation
from tests.services.tiny import passes

SAMPLES = 3

_calls = count(1)


def save_tasks(path: Path, size: int = 10) -> Path:
    """Tasks with prompts of different lengths; each has an answer of its own."""
    rows = [
        {"id": f"task-{number}", "prompt": "abcdefghij"[: 1 + (7 * number) % 10], "answer": chr(97 + number)}
        for number in range(size)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def mapping(folder: Path, model_path: Path, **changes: Any) -> dict[str, Any]:
    """A configuration of `folder`/tasks.jsonl with the changes merged into its sections."""
    config: dict[str, Any] = {
        "name": "tiny",
        "tasks": {"file": str(folder / "tasks.jsonl"), "id": "id"},
        "reward": {"type": "function", "function": f"{__name__}:told"},
        "model": {"path": str(model_path), "dtype": "float32"},
        "engine": {"type": "transformers", "batch": 4},
        "sampling": {"samples": SAMPLES, "max_tokens": 4},
        "output": str(folder / "result.parquet"),
    }
    return merge(config, changes)


def evaluation(folder: Path, model_path: Path, **changes: Any) -> ReferenceEvaluation:
    return ReferenceEvaluation.model_validate(mapping(folder, model_path, **changes))


class Command:
    """`python -m services.reference_eval` of a configuration, in a process of its own."""

    def __init__(self, folder: Path, model_path: Path, **changes: Any):
        self.config = evaluation(folder, model_path, **changes)
        self.scored = folder / "scored"
        self._file = folder / "config.yaml"
        save_mapping(self._file, mapping(folder, model_path, **changes))

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Start it with no other environment than this that `told` would heed, and wait for its end."""
        return subprocess.run(
            [sys.executable, "-m", "services.reference_eval", str(self._file)],
            env=os.environ | {"OMP_NUM_THREADS": "1", "SCORED": str(self.scored)} | environment,
            capture_output=True,
            text=True,
        )

    def measured(self) -> Counter[str]:
        """How often each task stands in the progress files."""
        return measured_in(self.config)


def measured_in(config: ReferenceEvaluation) -> Counter[str]:
    """How often each task stands in the progress files."""
    lines = [line for path in config.progress.glob("*.jsonl") for line in path.read_text().splitlines()[1:]]
    return Counter(json.loads(line)["task"] for line in lines)


def told(completion: str, answer: str) -> float:
    """A reward that writes each answer into the file SCORED, and sends its process SIGNAL at call number AT."""
    if scored := os.environ.get("SCORED"):
        with Path(scored).open("a") as file:
            file.write(answer + "\n")
    if next(_calls) == int(os.environ.get("AT", "0")):
        os.kill(os.getpid(), signal.Signals[os.environ["SIGNAL"]])
    return passes(completion, answer)


def broken(completion: str, answer: str) -> float:
    raise ValueError(answer)
