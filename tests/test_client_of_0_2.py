"""The client of release 0.2 works against this service: trainings that are under way keep the one that they have.

`fixtures/client-0.2.0.zip` is the folder trainer_client of that release's wheel. Python imports it as it is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.service import Service
from tests.web.calls import fresh_name

CLIENT = Path(__file__).parent / "fixtures" / "client-0.2.0.zip"
TRAINING = """
import json, sys
import trainer_client
from trainer_client import Conflict, Fallback, NotFound, Outcome, SelectorClient, Task

assert ".zip" in trainer_client.__file__, trainer_client.__file__
url, name, folder = sys.argv[1:]
seen = {}
with SelectorClient(url, run=name, fallback=Fallback([f"t{n}" for n in range(12)], folder + "/spool")) as client:
    client.create_pool(name)
    rates = {"weak": 0.25, "strong": 0.75}
    tasks = [Task(id=f"t{n}", domain="odd" if n % 2 else "even", references=rates) for n in range(12)]
    seen["added"] = client.add_tasks(name, tasks).inserted
    seen["again"] = client.add_tasks(name, tasks).unchanged
    seen["references"] = sorted(client.pool(name).references)
    config = {
        "seed": 7,
        "posterior": {"type": "bots", "forgetting": 0.2},
        "implicit": {"type": "interpolation", "weak": "weak", "strong": "strong"},
        "policy": {"type": "thompson", "target": 0.5},
    }
    client.create_run(name, name, **config)
    client.create_run(name, name, **config)
    try:
        client.create_run(name, name, seed=8)
    except Conflict as error:
        seen["conflict"] = error.code
    first = client.select(4, key="step-1", explain=True)
    seen["explained"] = all(row.alpha > 0 for row in first.explain)
    seen["same"] = client.select(4, key="step-1").tasks == first.tasks
    half = [Outcome.from_rewards(task, [0, 1, 0.5]) for task in first.tasks[:2]]
    rest = [Outcome(task=task, successes=3, trials=8) for task in first.tasks[2:]]
    seen["half"] = client.report(first, half).remaining
    seen["whole"] = client.report(first, rest).committed
    seen["resent"] = client.report(first, rest).duplicates
    second = client.select(4)
    seen["final"] = client.report(second, [Outcome(task=second.tasks[0], successes=1, trials=8)], final=True).step
    third = client.select(2)
    seen["released"] = client.report(third, [], final=True).committed
    status = client.run_status()
    seen["status"] = [status.step, status.tasks, status.selections.committed, status.selections.expired]
    rows = list(client.posteriors())
    seen["posteriors"] = [len(rows), {row.task for row in rows if row.last_step} >= set(first.tasks)]
    client.download_posteriors(folder + "/posteriors.parquet")
    events = list(client.events())
    seen["events"] = [events[0]["type"], len(events) == events[-1]["seq"]]
    client.delete_run()
    try:
        client.run_status()
    except NotFound as error:
        seen["gone"] = error.code
    client.delete_pool(name)
print(json.dumps(seen))
"""


def test_a_training_by_the_client_of_0_2(service: Service, tmp_path: Path) -> None:
    name = fresh_name("of-0.2")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SELECTOR_")}
    ended = subprocess.run(
        [sys.executable, "-c", TRAINING, service.url, name, str(tmp_path)],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(CLIENT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {
        "added": 12,
        "again": 12,
        "references": ["strong", "weak"],
        "conflict": "run-conflict",
        "explained": True,
        "same": True,
        "half": 2,
        "whole": True,
        "resent": 2,
        "final": 2,
        "released": False,
        "status": [2, 12, 2, 1],
        "posteriors": [12, True],
        "events": ["created", True],
        "gone": "unknown-run",
    }
    assert (tmp_path / "posteriors.parquet").stat().st_size > 0
