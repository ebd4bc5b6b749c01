"""`make bench-pools`: import, cold select, memory, and select and report, by size of pool, beside their goals.

A Parquet file of tasks (ids such as `guru/0001234`, seven domains, two references of 16 rollouts) is imported by
`bots pool import` into a real service. Another service of the same Redis then answers its first select, which reads
the whole pool; what its process has grown by meanwhile, without the ids, is what a task costs. Then selects and
reports are timed there. Work is told as time, and as time for which a process kept a core busy: on a machine that
does other things as well only the latter can be compared.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from tests.service import Service

BATCH = 32
ROLLOUTS = 16
ROUNDS = 200
WARM_UP = 20
ROWS_A_GROUP = 250_000
SEED = 1
SIZES = (10_000, 1_000_000)
RUN = {
    "posterior": {"type": "bots", "implicit": {"type": "interpolation", "weak": "weak", "strong": "strong"}},
    "policy": {"type": "thompson"},
}
FEWEST_A_SECOND = 500_000
LONGEST_COLD = 10.0
MOST_BYTES = 100.0
MOST_TIMES = 1.3
Figures = Mapping[str, float]


def written(path: Path, tasks: int) -> int:
    """Write so many tasks to a Parquet file; returns how many bytes their ids have."""
    rng = np.random.default_rng(SEED)
    schema = pa.schema(
        [("id", pa.string()), ("domain", pa.string()), ("weak", pa.float64()), ("strong", pa.float64())]
    )
    size = 0
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, tasks, ROWS_A_GROUP):
            numbers = range(start, min(start + ROWS_A_GROUP, tasks))
            ids = [f"guru/{number:07d}" for number in numbers]
            size += sum(map(len, ids))
            domains = [f"domain-{number % 7}" for number in numbers]
            rates = rng.integers(0, ROLLOUTS + 1, (2, len(numbers))) / ROLLOUTS
            writer.write_table(pa.table([ids, domains, *rates], schema=schema))
    return size


def resident(service: Service) -> int:
    """Bytes of memory of a service's process."""
    lines = Path(f"/proc/{service.pid}/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def busy(process: int) -> float:
    """Seconds for which the threads of a process have kept a core busy."""
    threads = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def redis_of(service: Service) -> int:
    """The number of the process of a service's Valkey."""
    return int((service.data_dir / "valkey.pid").read_text())


def imported(file: Path, service: Service) -> Figures:
    """Import a file into the pool of its name: seconds, seconds of a core, the most MB that the command needs."""
    redis = redis_of(service)
    before = busy(service.pid), busy(redis)
    command = [Path(sys.executable).with_name("bots"), "pool", "import", file, "--pool", file.stem]
    command += ["--domain", "domain", "--reference", "weak=weak", "--reference", "strong=strong"]
    started = time.perf_counter()
    process = subprocess.Popen([*map(str, command), "--url", service.url], stdout=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return {
        "import s": time.perf_counter() - started,
        "command's core s": usage.ru_utime + usage.ru_stime,
        "service's core s": busy(service.pid) - before[0],
        "Redis' core s": busy(redis) - before[1],
        "command MB": usage.ru_maxrss / 1024,
    }


def measured(folder: Path, tasks: int) -> Figures:
    """All figures of a pool of so many tasks."""
    file = folder / f"pool-{tasks}.parquet"
    id_bytes = written(file, tasks)
    with Service(folder / f"data-{tasks}") as service, httpx.Client(timeout=600) as client:
        figures = {"tasks": tasks, **imported(file, service)}
        figures["tasks/s"] = tasks / figures["import s"]
        figures["again s"] = imported(file, service)["import s"]
        file.unlink()
        name = f"run-{tasks}"
        client.put(f"{service.url}/runs/{name}", json={"pool": file.stem, **RUN}).raise_for_status()
        redis = redis_of(service)
        with Service(folder / f"cold-{tasks}", service.redis_url) as cold:
            warm_up(client, cold)
            before = resident(cold), busy(cold.pid), busy(redis)
            body = {"run": name, "batch_size": BATCH}
            started = time.perf_counter()
            client.post(f"{cold.url}/select", json=body).raise_for_status()
            figures["cold select s"] = time.perf_counter() - started
            figures["its core s"] = busy(cold.pid) - before[1]
            figures["its Redis' core s"] = busy(redis) - before[2]
            figures["bytes a task"] = (resident(cold) - before[0] - id_bytes) / tasks
            return {**figures, **rounds(client, cold, redis, body)}


def warm_up(client: httpx.Client, service: Service) -> None:
    """Let a service load all that it needs, with a pool and a run that are small."""
    client.put(f"{service.url}/pools/small", json={}).raise_for_status()
    tasks = [{"id": str(number), "references": {"weak": 0.25, "strong": 0.75}} for number in range(BATCH)]
    client.post(f"{service.url}/pools/small/tasks", json=tasks).raise_for_status()
    client.put(f"{service.url}/runs/small", json={"pool": "small", **RUN}).raise_for_status()
    client.post(f"{service.url}/select", json={"run": "small", "batch_size": BATCH}).raise_for_status()


def rounds(client: httpx.Client, service: Service, redis: int, body: dict[str, object]) -> Figures:
    """Medians of select and report in ms, and those for which the service and Redis kept a core busy."""
    rng = np.random.default_rng(SEED)
    took: dict[str, list[float]] = {}

    def timed(call: str, document: dict[str, object]) -> httpx.Response:
        started, before = time.perf_counter(), busy(service.pid) + busy(redis)
        answer = client.post(f"{service.url}/{call}", json=document)
        took.setdefault(f"{call} ms", []).append(time.perf_counter() - started)
        took.setdefault(f"{call} core ms", []).append(busy(service.pid) + busy(redis) - before)
        return answer.raise_for_status()

    for _ in range(WARM_UP + ROUNDS):
        selected = timed("select", body).json()
        passes = rng.integers(0, ROLLOUTS + 1, BATCH).tolist()
        outcomes = [
            {"task": task, "successes": passed, "trials": ROLLOUTS}
            for task, passed in zip(selected["tasks"], passes, strict=True)
        ]
        timed("report", {"run": body["run"], "selection": selected["selection"], "outcomes": outcomes})
    return {name: statistics.median(seconds[WARM_UP:]) * 1e3 for name, seconds in took.items()}


def figures_table(by_size: Sequence[Figures]) -> Table:
    """A row a figure, a column a size."""
    table = Table(title=f"{BATCH} tasks a batch, p50 of {ROUNDS} rounds")
    table.add_column("tasks", justify="left")
    for figures in by_size:
        table.add_column(f"{figures['tasks']:,.0f}", justify="right")
    for name in list(by_size[0])[1:]:
        values = [figures[name] for figures in by_size]
        table.add_row(name, *(f"{value:,.0f}" if value >= 1000 else f"{value:.2f}" for value in values))
    return table


def goals_table(smallest: Figures, largest: Figures) -> Table:
    """What is wanted of the largest pool, and what it has."""
    table = Table(title=f"goals at {largest['tasks']:,.0f} tasks")
    for heading in ("", "goal", "measured", "held"):
        table.add_column(heading, justify="left" if not heading else "right")

    def row(name: str, goal: str, figure: str, is_held: bool) -> None:
        table.add_row(name, goal, figure, "yes" if is_held else "no")

    speed, cold, size = (largest[name] for name in ("tasks/s", "cold select s", "bytes a task"))
    row("import, tasks/s", f"≥ {FEWEST_A_SECOND:,}", f"{speed:,.0f}", speed >= FEWEST_A_SECOND)
    row("cold first select, s", f"≤ {LONGEST_COLD:g}", f"{cold:.1f}", cold <= LONGEST_COLD)
    row("service, bytes a task beside ids", f"≤ {MOST_BYTES:g}", f"{size:.1f}", size <= MOST_BYTES)
    for name in ("select ms", "report ms", "select core ms", "report core ms"):
        times = largest[name] / smallest[name]
        row(
            f"{name}, of that at {smallest['tasks']:,.0f}",
            f"≤ {MOST_TIMES} ×",
            f"{times:.2f} ×",
            times <= MOST_TIMES,
        )
    return table


def main() -> None:
    """Measure and print."""
    console = Console(width=120)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, help="numbers of tasks, ascending")
    by_size: list[Figures] = []
    with tempfile.TemporaryDirectory() as folder:
        for tasks in parser.parse_args().sizes:
            by_size.append(measured(Path(folder), tasks))
            console.print(figures_table(by_size))
    console.print(goals_table(by_size[0], by_size[-1]))


if __name__ == "__main__":
    main()
