"""`make bench-pools`: import, cold select, memory, and select and report, by size of pool.

A Parquet file of tasks (ids such as `guru/0001234`, seven domains, two references of 16 rollouts) is imported by
`bots pool import` into a real service. Another service of the same Redis then answers its first select, which reads
the whole pool; what its process has grown by meanwhile, without the ids, is what a task costs. Then selects and
reports are timed there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
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
ROUNDS = 100
WARM_UP = 10
ROWS_A_GROUP = 250_000
SEED = 1
SIZES = (10_000, 1_000_000)
RUN = {
    "posterior": {"type": "bots", "implicit": {"type": "interpolation", "weak": "weak", "strong": "strong"}},
    "policy": {"type": "thompson"},
}
HEADINGS = (
    "tasks",
    "import s",
    "tasks/s",
    "CPU µs a task",
    "command MB",
    "again s",
    "cold select s",
    "CPU s",
    "bytes a task",
    "select ms",
    "report ms",
)


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
    return 1024 * int(_status(service.pid)["VmRSS"])


def _status(process: int) -> dict[str, str]:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {
        name: value.split()[0] for name, _, value in (line.partition(":") for line in lines) if value.strip()
    }


def worked(service: Service) -> float:
    """Seconds for which a service and its Valkey have kept a core busy."""
    processes = [service.pid]
    if (pid := service.data_dir / "valkey.pid").exists():
        processes.append(int(pid.read_text()))
    ticks = 0
    for process in processes:
        after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(after_name[11]) + int(after_name[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def imported(file: Path, service: Service) -> tuple[float, float, float]:
    """Import a file into the pool of its name.

    Returns:
        The seconds it takes, those for which all together keep a core busy, the most MB that the command needs.
    """
    before = worked(service)
    command = [Path(sys.executable).with_name("bots"), "pool", "import", file, "--pool", file.stem]
    command += ["--domain", "domain", "--reference", "weak=weak", "--reference", "strong=strong"]
    started = time.perf_counter()
    process = subprocess.Popen([*map(str, command), "--url", service.url], stdout=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    seconds = time.perf_counter() - started
    busy = usage.ru_utime + usage.ru_stime + worked(service) - before
    return seconds, busy, usage.ru_maxrss / 1024


def measured(folder: Path, tasks: int) -> list[float]:
    """The figures of `HEADINGS` for a pool of so many tasks."""
    file = folder / f"pool-{tasks}.parquet"
    id_bytes = written(file, tasks)
    with Service(folder / f"data-{tasks}") as service, httpx.Client(timeout=600) as client:
        seconds, busy, command = imported(file, service)
        again, _, _ = imported(file, service)
        name = f"run-{tasks}"
        client.put(f"{service.url}/runs/{name}", json={"pool": file.stem, **RUN}).raise_for_status()
        with Service(folder / f"cold-{tasks}", service.redis_url) as cold:
            warm_up(client, cold)
            before, idle = resident(cold), worked(cold)
            body = {"run": name, "batch_size": BATCH}
            started = time.perf_counter()
            client.post(f"{cold.url}/select", json=body).raise_for_status()
            first = time.perf_counter() - started
            cold_busy = worked(cold) - idle
            grown = resident(cold) - before
            selects, reports = rounds(client, cold, body)
    bytes_a_task = (grown - id_bytes) / tasks
    imports = [seconds, tasks / seconds, busy / tasks * 1e6, command, again]
    return [tasks, *imports, first, cold_busy, bytes_a_task, selects, reports]


def warm_up(client: httpx.Client, service: Service) -> None:
    """Let a service load all that it needs, with a pool and a run that are small."""
    client.put(f"{service.url}/pools/small", json={}).raise_for_status()
    tasks = [{"id": str(number), "references": {"weak": 0.25, "strong": 0.75}} for number in range(BATCH)]
    client.post(f"{service.url}/pools/small/tasks", json=tasks).raise_for_status()
    client.put(f"{service.url}/runs/small", json={"pool": "small", **RUN}).raise_for_status()
    client.post(f"{service.url}/select", json={"run": "small", "batch_size": BATCH}).raise_for_status()


def rounds(client: httpx.Client, service: Service, body: dict[str, object]) -> tuple[float, float]:
    """Medians of select and report in ms."""
    rng = np.random.default_rng(SEED)
    selects: list[float] = []
    reports: list[float] = []
    for _ in range(WARM_UP + ROUNDS):
        started = time.perf_counter()
        answer = client.post(f"{service.url}/select", json=body)
        selects.append(time.perf_counter() - started)
        answer.raise_for_status()
        passes = rng.integers(0, ROLLOUTS + 1, BATCH).tolist()
        outcomes = [
            {"task": task, "successes": passed, "trials": ROLLOUTS}
            for task, passed in zip(answer.json()["tasks"], passes, strict=True)
        ]
        report = {"run": body["run"], "selection": answer.json()["selection"], "outcomes": outcomes}
        started = time.perf_counter()
        client.post(f"{service.url}/report", json=report).raise_for_status()
        reports.append(time.perf_counter() - started)
    return statistics.median(selects[WARM_UP:]) * 1e3, statistics.median(reports[WARM_UP:]) * 1e3


def main() -> None:
    """Measure and print."""
    console = Console(width=160)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, help="numbers of tasks")
    table = Table(title=f"{BATCH} tasks a batch, p50 of {ROUNDS} rounds")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        for tasks in parser.parse_args().sizes:
            figures = measured(Path(folder), tasks)
            console.print(dict(zip(HEADINGS, figures, strict=True)))
            table.add_row(*(f"{figure:,.0f}" if figure >= 1000 else f"{figure:.2f}" for figure in figures))
    console.print(table)


if __name__ == "__main__":
    main()
