"""`make bench`: select and report over HTTP beside the same work done densely in numpy, by pool size.

Each pool has 289 classes (two references measured with 16 rollouts) and about 4,000 tasks with a residual.
The dense work is what a trainer would do in its own process: a Beta draw for every task and the nearest 32
of them; then the update of every task. Both are timed in turn, in one run, on one machine; medians are shown.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.service import Service

SIZES = (10_000, 54_400, 1_000_000)
BATCH = 32
ROLLOUTS = 16
ROUNDS = 40
WARM_UP = 5
RESIDUALS = 4_000
ROWS_A_REQUEST = 50_000
SEED = 1


class Remote:
    """A run of the service over a pool of `size` tasks."""

    def __init__(self, client: httpx.Client, size: int) -> None:
        self._client = client
        self._name = f"bench-{size}"
        self._rng = np.random.default_rng(SEED)
        self._batch: tuple[str, list[str]] = ("", [])
        self._send("PUT", f"/pools/{self._name}", {})
        for body in self._task_bodies(size):
            answer = client.post(
                f"/pools/{self._name}/tasks", content=body, headers={"Content-Type": "application/x-ndjson"}
            )
            answer.raise_for_status()
        implicit = {"type": "interpolation", "weak": "weak", "strong": "strong"}
        self._send("PUT", f"/runs/{self._name}", {"pool": self._name, "implicit": implicit})
        # The rounds add residuals of their own: half of them now lets the middle round have RESIDUALS.
        visited = self._rng.choice(size, RESIDUALS - (ROUNDS + WARM_UP) * BATCH // 2, replace=False)
        outcomes = self._outcomes([str(task) for task in visited])
        self._send("POST", "/report", {"run": self._name, "key": "visited", "outcomes": outcomes})

    def select(self) -> None:
        answer = self._send("POST", "/select", {"run": self._name, "batch_size": BATCH})
        self._batch = answer["selection"], answer["tasks"]

    def report(self) -> None:
        selection, tasks = self._batch
        body = {"run": self._name, "selection": selection, "outcomes": self._outcomes(tasks)}
        assert self._send("POST", "/report", body)["committed"]

    def _outcomes(self, tasks: list[str]) -> list[dict]:
        passes = self._rng.integers(0, ROLLOUTS + 1, len(tasks)).tolist()
        return [
            {"task": task, "successes": passed, "trials": ROLLOUTS}
            for task, passed in zip(tasks, passes, strict=True)
        ]

    def _task_bodies(self, size: int) -> Iterator[bytes]:
        for start in range(0, size, ROWS_A_REQUEST):
            rates = self._rng.integers(0, 17, (min(ROWS_A_REQUEST, size - start), 2)) / 16
            rows = (
                {"id": str(start + k), "references": {"weak": weak, "strong": strong}}
                for k, (weak, strong) in enumerate(rates.tolist())
            )
            yield "\n".join(map(json.dumps, rows)).encode()

    def _send(self, method: str, path: str, body: dict) -> dict:
        answer = self._client.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json()


class Dense:
    """The same run with one entry a task, in this process."""

    def __init__(self, size: int) -> None:
        self._rng = np.random.default_rng(SEED)
        self._weak, self._strong = self._rng.integers(0, 17, (2, size)) / 16
        self._alpha, self._beta = np.ones(size), np.ones(size)
        self._capability = 0.5
        self._tasks = np.arange(BATCH)

    def select(self) -> None:
        distance = np.abs(self._rng.beta(self._alpha, self._beta) - 0.5)
        self._tasks = np.argpartition(distance, BATCH)[:BATCH]

    def report(self) -> None:
        tasks = self._tasks
        passed = self._rng.integers(0, ROLLOUTS + 1, BATCH)
        weak, strong = self._weak[tasks].mean(), self._strong[tasks].mean()
        now = ((passed / ROLLOUTS).mean() - weak) / (strong - weak + 1e-6)
        self._capability = 0.9 * self._capability + 0.1 * now
        predicted = np.clip(self._weak + self._capability * (self._strong - self._weak), 0.0, 1.0)
        gained, lost = 1.6 * predicted, 1.6 * (1.0 - predicted)
        gained[tasks], lost[tasks] = passed, ROLLOUTS - passed
        self._alpha = 0.9 * self._alpha + 0.1 + gained
        self._beta = 0.9 * self._beta + 0.1 + lost


def milliseconds(call: Callable[[], None]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1e3


def measured(client: httpx.Client, size: int) -> list[float]:
    """Medians in ms: select and report over HTTP, then densely."""
    remote, dense = Remote(client, size), Dense(size)
    calls = (remote.select, remote.report, dense.select, dense.report)
    rounds = [
        [milliseconds(call) for call in calls] for _ in track(range(WARM_UP + ROUNDS), f"{size:,} tasks")
    ]
    return [statistics.median(column) for column in zip(*rounds[WARM_UP:], strict=True)]


def main() -> None:
    """Measure and print."""
    table = Table(
        title=f"p50 in ms of {ROUNDS} rounds, {BATCH} tasks a batch, ~{RESIDUALS:,} residuals, 289 classes"
    )
    for heading in ("tasks", "HTTP select", "HTTP report", "dense select", "dense report", "HTTP / dense"):
        table.add_column(heading, justify="right")
    http: list[float] = []
    dense = 0.0
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder)).start()
        try:
            with httpx.Client(base_url=service.url, timeout=120.0) as client:
                for size in SIZES:
                    figures = measured(client, size)
                    http.append(sum(figures[:2]))
                    dense = sum(figures[2:])
                    cells = [f"{figure:.2f}" for figure in (*figures, http[-1] / dense)]
                    table.add_row(f"{size:,}", *cells)
        finally:
            service.stop()
    console = Console()
    console.print(table)
    console.print(
        f"HTTP at {SIZES[-1]:,} tasks: {http[-1] / http[0]:.2f} × that at {SIZES[0]:,} (goal: at most 2),"
    )
    console.print(f"{http[-1] / dense:.2f} × the dense work in-process (goal: below 1)")


if __name__ == "__main__":
    main()
