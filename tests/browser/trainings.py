"""Runs for the browser to look at: small trainings by the client, whose tasks pass by a rule."""

from __future__ import annotations

import io
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.service import Service
from trainer_client import SelectorClient, Task


def client_of(service: Service, run: str, token: str | None = None) -> SelectorClient:
    return SelectorClient(service.url, run=run, token=token)


def make(service: Service, run: str, tasks: int = 60, token: str | None = None, **config: Any) -> None:
    """A run over a pool of its own name, in two domains."""
    rows = [
        Task(id=f"{'math' if n % 3 else 'code'}/{n:03}", domain="math" if n % 3 else "code")
        for n in range(tasks)
    ]
    with client_of(service, run, token) as client:
        client.create_pool(run)
        client.add_tasks(run, rows)
        client.create_run(run, run, **config)


def train(
    service: Service, run: str, steps: int, batch: int = 8, first: int = 0, token: str | None = None
) -> None:
    """So many steps; code/000 never passes, and code/003 is dropped now and then."""
    with client_of(service, run, token) as client:
        for step in range(first, first + steps):
            selected = client.select(batch, key=f"step-{step}", policy_version=step)
            outcomes: list[dict[str, Any]] = []
            for task in selected.tasks:
                number = int(task[-3:])
                if number == 3 and step % 2:
                    outcomes.append({"task": task, "dropped": "timeout"})
                    continue
                passed = 0 if number == 0 else min(8, (number * 7 + step // 2) % 9)
                outcomes.append({"task": task, "successes": passed, "trials": 8})
            body = {"run": run, "selection": selected.selection, "outcomes": outcomes, "policy_version": step}
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            httpx.post(f"{service.url}/report", json=body, headers=headers, timeout=60).raise_for_status()


def make_large(service: Service, run: str, tasks: int, at_once: int = 250_000) -> None:
    """A run over so many tasks, sent as Parquet."""
    with httpx.Client(base_url=service.url, timeout=600) as http:
        http.put(f"/pools/{run}", json={}).raise_for_status()
        for start in range(0, tasks, at_once):
            numbers = np.arange(start, min(start + at_once, tasks))
            columns = {
                "id": [f"task-{number:07}" for number in numbers.tolist()],
                "domain": [("math", "code", "logic")[number % 3] for number in numbers.tolist()],
            }
            body = io.BytesIO()
            pq.write_table(pa.table(columns), body)
            headers = {"Content-Type": "application/vnd.apache.parquet"}
            http.post(f"/pools/{run}/tasks", content=body.getvalue(), headers=headers).raise_for_status()
        http.put(f"/runs/{run}", json={"pool": run}).raise_for_status()
