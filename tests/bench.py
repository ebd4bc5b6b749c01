"""`make bench`: select and report over HTTP, of bots and of rasch, beside dense numpy, by size of pool and state.

Tasks have two references measured with 16 rollouts, so 289 classes in one domain and 2,023 in seven. The dense
work is what a trainer would do in its own process: a Beta draw for every task and the nearest 32 of them; then the
update of every task. All are timed in turn, in one run, on one machine; medians are shown.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.bench_rivals import ROLLOUTS, SEED, Dense
from tests.service import Service

BATCH = 32
ROUNDS = 40
WARM_UP = 5
ROWS_A_REQUEST = 50_000
OUTCOMES_A_REQUEST = 5_000
KINDS: dict[str, dict[str, Any]] = {
    "bots": {
        "posterior": {
            "type": "bots",
            "implicit": {"type": "interpolation", "weak": "weak", "strong": "strong"},
        },
        "policy": {"type": "thompson"},
    },
    "rasch": {"posterior": {"type": "rasch"}, "policy": {"type": "signal"}},
}


@dataclass(frozen=True)
class Setting:
    """How large a pool is, and how many of its tasks were reported before."""

    tasks: int
    domains: int
    visited: int

    @property
    def classes(self) -> int:
        """Domains times the 17² pairs of rates."""
        return 289 * self.domains

    @property
    def pool(self) -> str:
        """Its name."""
        return f"bench-{self.tasks}-{self.domains}"


SETTINGS = (
    Setting(10_000, 1, 4_000),
    Setting(1_000_000, 1, 4_000),
    Setting(1_000_000, 7, 4_000),
    Setting(1_000_000, 7, 50_000),
)


def sent(client: httpx.Client, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What the service answers; it has to take the call."""
    answer = client.request(method, path, json=body)
    answer.raise_for_status()
    return answer.json()


def fill(client: httpx.Client, setting: Setting) -> None:
    """Make the setting's pool, or find it."""
    sent(client, "PUT", f"/pools/{setting.pool}", {})
    rng = np.random.default_rng(SEED)
    for start in range(0, setting.tasks, ROWS_A_REQUEST):
        rates = rng.integers(0, 17, (min(ROWS_A_REQUEST, setting.tasks - start), 2)) / 16
        rows = (
            {
                "id": str(task),
                "domain": f"domain-{task % setting.domains}",
                "references": {"weak": weak, "strong": strong},
            }
            for task, (weak, strong) in enumerate(rates.tolist(), start)
        )
        answer = client.post(
            f"/pools/{setting.pool}/tasks",
            content="\n".join(map(json.dumps, rows)),
            headers={"Content-Type": "application/x-ndjson"},
        )
        answer.raise_for_status()


class Remote:
    """A run of the service on a setting's pool."""

    def __init__(self, client: httpx.Client, setting: Setting, kind: str) -> None:
        self._client = client
        self._name = f"{setting.pool}-{setting.visited}-{kind}"
        self._rng = np.random.default_rng(SEED)
        self._batch: tuple[str, list[str]] = ("", [])
        sent(client, "PUT", f"/runs/{self._name}", {"pool": setting.pool, **KINDS[kind]})
        # The rounds visit tasks of their own: half of them now lets the middle round have so many.
        count = setting.visited - (ROUNDS + WARM_UP) * BATCH // 2
        visited = self._rng.choice(setting.tasks, count, replace=False).tolist()
        for start in range(0, count, OUTCOMES_A_REQUEST):
            outcomes = self._outcomes(visited[start : start + OUTCOMES_A_REQUEST])
            sent(client, "POST", "/report", {"run": self._name, "key": str(start), "outcomes": outcomes})

    def select(self) -> None:
        """Draw a batch."""
        answer = sent(self._client, "POST", "/select", {"run": self._name, "batch_size": BATCH})
        self._batch = answer["selection"], answer["tasks"]

    def report(self) -> None:
        """Report the batch that was drawn."""
        selection, tasks = self._batch
        body = {"run": self._name, "selection": selection, "outcomes": self._outcomes(tasks)}
        assert sent(self._client, "POST", "/report", body)["committed"]

    def _outcomes(self, tasks: list[Any]) -> list[dict[str, Any]]:
        passes = self._rng.integers(0, ROLLOUTS + 1, len(tasks)).tolist()
        return [
            {"task": str(task), "successes": passed, "trials": ROLLOUTS}
            for task, passed in zip(tasks, passes, strict=True)
        ]


def milliseconds(call: Callable[[], None]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1e3


def measured(client: httpx.Client, setting: Setting) -> list[float]:
    """Medians in ms: select and report of each kind over HTTP, then densely."""
    fill(client, setting)
    parts = [*(Remote(client, setting, kind) for kind in KINDS), Dense(setting.tasks, BATCH)]
    calls = [call for part in parts for call in (part.select, part.report)]
    title = f"{setting.tasks:,} tasks, {setting.classes:,} classes, {setting.visited:,} visited"
    rounds = [[milliseconds(call) for call in calls] for _ in track(range(WARM_UP + ROUNDS), title)]
    return [statistics.median(column) for column in zip(*rounds[WARM_UP:], strict=True)]


def main() -> None:
    """Measure and print."""
    table = Table(title=f"p50 in ms of {ROUNDS} rounds, {BATCH} tasks a batch")
    headings = [f"{part} {call}" for part in (*KINDS, "dense") for call in ("select", "report")]
    for heading in ("tasks", "classes", "visited", *headings):
        table.add_column(heading, justify="right")
    figures: list[list[float]] = []
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder)).start()
        try:
            with httpx.Client(base_url=service.url, timeout=600.0) as client:
                for setting in SETTINGS:
                    figures.append(measured(client, setting))
                    sizes = [f"{size:,}" for size in (setting.tasks, setting.classes, setting.visited)]
                    table.add_row(*sizes, *(f"{figure:.2f}" for figure in figures[-1]))
        finally:
            service.stop()
    console = Console()
    console.print(table)
    small, large, many = (
        [select + report for select, report in zip(row[::2], row[1::2], strict=True)] for row in figures[:3]
    )
    for number, kind in enumerate(KINDS):
        console.print(
            f"{kind}: {large[number] / small[number]:.2f} × as long with {SETTINGS[1].tasks:,} tasks as with "
            f"{SETTINGS[0].tasks:,} (goal: at most 2), {large[number] / large[-1]:.2f} × the dense work "
            "(goal: below 1)"
        )
    console.print(
        f"rasch: {many[1] / many[0]:.2f} × bots at {SETTINGS[2].classes:,} classes (goal: at most 2)"
    )


if __name__ == "__main__":
    main()
