"""`python -m services.reference_eval` in processes of its own, which are killed and stopped."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from services.reference_eval.evaluation import evaluate
from services.reference_eval.shards import Shard
from tests.services.reference_eval.settings import SAMPLES, Command, evaluation

SIZE = 10
BATCH = 2


@pytest.mark.timeout(300)
def test_killed_and_stopped_and_started_again_it_measures_each_task_once(folder: Path, model: Path):
    command = Command(folder, model, engine={"batch": BATCH})
    config = command.config
    calls = BATCH * SAMPLES

    killed = command.run(SIGNAL="SIGKILL", AT=str(calls + 2))
    assert killed.returncode == -9
    assert len(command.measured()) == BATCH

    stopped = command.run(SIGNAL="SIGTERM", AT=str(2 * calls + 2))
    assert stopped.returncode == 130
    assert f"What is measured so far is kept in {config.progress}" in stopped.stderr
    finished = command.measured()
    assert len(finished) == 3 * BATCH
    assert not config.output.exists()

    command.scored.unlink()
    ended = command.run(JOB_COMPLETION_INDEX="0", JOB_COMPLETIONS="1")
    assert ended.returncode == 0, ended.stderr
    assert "shard 0/1: 4 tasks to measure, 10 in all shards" in ended.stderr
    tasks = [f"task-{number}" for number in range(SIZE)]
    assert command.measured() == Counter(tasks)
    assert Counter(command.scored.read_text().split()) == Counter(
        {chr(97 + number): SAMPLES for number, task in enumerate(tasks) if task not in finished}
    )

    straight = evaluation(folder, model, output=str(folder / "straight.parquet"))
    evaluate(straight, Shard(0, 1))
    assert pq.read_table(config.output) == pq.read_table(straight.output)


def test_a_mistake_is_a_message(folder: Path, model: Path):
    failed = Command(folder, model).run(JOB_COMPLETION_INDEX="0")
    assert failed.returncode == 2
    assert failed.stderr.startswith("Error: JOB_COMPLETION_INDEX is '0' but JOB_COMPLETIONS is not set")
