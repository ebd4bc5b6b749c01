"""The script of docs/how-to/trainers/trl.md trains, with a model so small that it takes seconds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.service import Service
from tests.services.tiny import save_tasks, save_tiny_model
from trainer_client import SelectorClient, Task

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/how-to/trainers/trl.md").read_text()


def test_the_script_to_copy_trains(service: Service, tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    run = "trl-page"
    here = {
        "http://127.0.0.1:8000": service.url,
        "my-run": run,
        "Qwen/Qwen2.5-0.5B-Instruct": str(save_tiny_model(tmp_path / "model")),
        "max_steps=200": "max_steps=3, use_cpu=True, bf16=False, max_completion_length=4, report_to=[]",
        "per_device_train_batch_size=64": "per_device_train_batch_size=8",
        "num_generations=8": "num_generations=2",
    }
    script = code[1]
    for there, value in here.items():
        assert there in script
        script = script.replace(there, value)
    save_tasks(tmp_path / "tasks.jsonl")
    with SelectorClient(service.url, run) as client:
        client.create_pool(run)
        client.add_tasks(run, [Task(id=f"task-{number}") for number in range(20)])
        client.create_run(run, run)
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            check=True,
        )
        kinds = [event["type"] for event in client.events()]
    assert kinds == ["created", *["selected", "committed"] * 3]
