"""Many tasks at once, into a real service."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.task_files import filling
from services.task_files.filling import fill_with_batches, tasks_of_pool
from services.task_files.pool_tasks import TaskColumns, TaskFile
from trainer_client import Conflict, SelectorClient, Task

MANY = 100_000
COLUMNS = TaskColumns(domain="domain", references={"weak": "weak"})


def written(path: Path, numbers: np.ndarray) -> TaskFile:
    columns = {
        "id": pa.array(numbers),
        "domain": [f"domain-{number % 7}" for number in numbers.tolist()],
        "weak": numbers % 17 / 16,
    }
    pq.write_table(pa.table(columns), path)
    return TaskFile(path, COLUMNS)


def test_a_hundred_thousand_tasks_that_two_import_at_once_are_there_once(
    service_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "ROWS_A_BODY", 33_000)
    pool = f"many-{uuid4().hex}"
    upwards = written(tmp_path / "upwards.parquet", np.arange(MANY))
    downwards = written(tmp_path / "downwards.parquet", np.arange(MANY)[::-1])
    with SelectorClient(service_url) as client, ThreadPoolExecutor(2) as threads:
        receipts = list(
            threads.map(lambda file: fill_with_batches(client, pool, file.batches()), [upwards, downwards])
        )
        assert sum(receipt.inserted for receipt in receipts) == MANY
        assert sum(receipt.unchanged for receipt in receipts) == MANY
        there = list(tasks_of_pool(client, pool))
        ids = np.concatenate([batch.ids.cast(pa.int64()).to_numpy() for batch in there])
        weak = np.concatenate([batch.rates("weak") for batch in there])
        assert sorted(ids.tolist()) == list(range(MANY))
        assert np.array_equal(weak, ids % 17 / 16)
        info = client.pool(pool)
        assert (info.tasks, info.reference_counts) == (MANY, {"weak": MANY})
        assert info.domains == {f"domain-{number}": len(range(number, MANY, 7)) for number in range(7)}

        other = Task(id="70000", references={"weak": 0.123})
        with pytest.raises(Conflict, match=r"task 0 of the body.*'70000'.*0\.123"):
            client.add_tasks(pool, [other])
        client.delete_pool(pool)
