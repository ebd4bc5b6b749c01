"""`make bench`: what select and report cost beside an empty call, and pairs of them by 64 trainers.

All in turn, call by call, on one machine. What counts is the CPU time of the serving process, as the kernel has it
of all its threads: it depends less on what else the machine does than the milliseconds that a call takes, which
stand beside. The rivals work in this process: dense numpy, and a sampler that goes task by task.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench_rivals import ROLLOUTS, Dense, TaskByTask
from tests.service import Service, free_port

TASKS = 10_000
TRAINERS = 64
WARM_UP = 20
REFERENCES = {"weak": "weak", "strong": "strong"}
KINDS: dict[str, dict[str, Any]] = {
    "bots": {"posterior": {"type": "bots", "implicit": {"type": "interpolation", **REFERENCES}}},
    "rasch": {"posterior": {"type": "rasch"}},
}


class Caller:
    """Calls one server over one connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def call(self, path: str, body: Any, method: str = "POST") -> dict[str, Any]:
        self._connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.status < 300, (answer.status, text)
        return json.loads(text)


class Trainer:
    """Selects from a run and reports."""

    def __init__(self, caller: Caller, run: str, batch: int) -> None:
        self._caller = caller
        self._run = run
        self._batch = batch
        self._drawn: dict[str, Any] = {}

    def select(self) -> None:
        self._drawn = self._caller.call("/select", {"run": self._run, "batch_size": self._batch})

    def report(self) -> None:
        outcomes = [
            {"task": task, "successes": place % (ROLLOUTS + 1), "trials": ROLLOUTS}
            for place, task in enumerate(self._drawn["tasks"])
        ]
        body = {"run": self._run, "selection": self._drawn["selection"], "outcomes": outcomes}
        assert self._caller.call("/report", body)["committed"]

    def step(self) -> None:
        self.select()
        self.report()


def worked(process: int) -> float:
    """Milliseconds for which the threads of a process have run."""
    files = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) / 1e6


@contextmanager
def empty_service() -> Generator[tuple[int, int]]:
    """The port and the process of a server of empty calls."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "tests.bench_empty:app", "--port", str(port)]
    process = subprocess.Popen([*command, "--log-level", "warning", "--no-access-log"])
    try:
        while True:
            try:
                Caller(port).call("/empty", {})
                break
            except ConnectionError:
                time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def fill(caller: Caller, tasks: int) -> None:
    """Make the pool: 289 classes."""
    caller.call("/pools/pool", {}, "PUT")
    rows = [
        {"id": f"gsm8k/{n}", "references": {"weak": n % 17 / 16, "strong": n // 17 % 17 / 16}}
        for n in range(tasks)
    ]
    for start in range(0, tasks, 10_000):
        caller.call("/pools/pool/tasks", rows[start : start + 10_000])


def by_call(service: Service, floor: tuple[int, int], tasks: int, batch: int, rounds: int) -> Table:
    """A table of what each call costs, the middle of so many rounds."""
    caller, nothing = Caller(service.port), Caller(floor[0])
    calls: dict[str, tuple[Callable[[], Any], int]] = {
        "empty call": (lambda: nothing.call("/empty", {"run": "run", "batch_size": batch}), floor[1])
    }
    for kind, run in KINDS.items():
        caller.call(f"/runs/{kind}", {"pool": "pool", **run}, "PUT")
        trainer = Trainer(caller, kind, batch)
        calls |= {
            f"{kind} select": (trainer.select, service.pid),
            f"{kind} report": (trainer.report, service.pid),
        }
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, (call, process) in calls.items():
            before, started = worked(process), time.perf_counter()
            call()
            seconds = time.perf_counter() - started
            figures[name].append((worked(process) - before, seconds * 1e3))
    rivals = {"dense numpy": Dense(tasks, batch), "task by task": TaskByTask(tasks, batch)}
    for name, rival in rivals.items():
        for call in (rival.select, rival.report):
            row = figures.setdefault(f"{name}: {call.__name__}", [])
            for _ in range(rounds):
                before, started = time.thread_time(), time.perf_counter()
                call()
                row.append(((time.thread_time() - before) * 1e3, (time.perf_counter() - started) * 1e3))
    table = Table(
        "", "CPU ms", "× empty", "ms", title=f"{tasks:,} tasks, {batch} a batch, p50 of {rounds} rounds"
    )
    middle = {
        name: [statistics.median(part) for part in zip(*row[WARM_UP:], strict=True)]
        for name, row in figures.items()
    }
    for name, (cpu, ms) in middle.items():
        table.add_row(name, f"{cpu:.2f}", f"{cpu / middle['empty call'][0]:.1f}", f"{ms:.2f}")
    return table


def rates(work: Iterable[Callable[[], object]], process: int, seconds: float) -> tuple[float, float]:
    """How often a second these are done, each over and over in a thread and in one of the process' CPU."""
    work = list(work)
    ready, counts, ends = Barrier(len(work) + 1), [0] * len(work), time.perf_counter() + 3600

    def go_on(number: int) -> None:
        work[number]()
        ready.wait()
        while time.perf_counter() < ends:
            work[number]()
            counts[number] += 1

    threads = [Thread(target=go_on, args=(number,)) for number in range(len(work))]
    for thread in threads:
        thread.start()
    ready.wait()
    started, before = time.perf_counter(), worked(process)
    ends = started + seconds
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - started), sum(counts) / (worked(process) - before) * 1e3


def by_trainers(service: Service, floor: tuple[int, int], batch: int, seconds: float) -> Table:
    """A table of pairs of select and report by 64 trainers."""
    caller = Caller(service.port)

    def pairs(runs: int, size: int) -> list[Callable[[], object]]:
        names = [f"{runs}-runs-of-{size}-{number}" for number in range(runs)]
        for name in names:
            caller.call(f"/runs/{name}", {"pool": "pool", **KINDS["bots"]}, "PUT")
        trainers = [Trainer(Caller(service.port), names[n % runs], size) for n in range(TRAINERS)]
        return [each.step for each in trainers]

    nothing = [Caller(floor[0]) for _ in range(TRAINERS)]
    body = {"run": "run", "batch_size": batch}
    calls = [partial(each.call, "/empty", body) for each in nothing]
    table = Table(
        "", "a second", "a second of CPU", "1 : empty", title=f"{TRAINERS} trainers, {seconds:g} s each"
    )
    in_wall, in_cpu = rates(calls, floor[1], seconds)
    table.add_row("empty calls", f"{in_wall:,.0f}", f"{in_cpu:,.0f}", "1")
    for runs, size in ((TRAINERS, batch), (1, batch), (1, 8)):
        wall, cpu = rates(pairs(runs, size), service.pid, seconds)
        name = f"pairs of {size} tasks, {'a run each' if runs > 1 else 'one run'}"
        table.add_row(name, f"{wall:,.0f}", f"{cpu:,.0f}", f"1 : {in_cpu / cpu:.1f}")
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=8.0, help="for which 64 trainers work")
    told = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as folder, empty_service() as floor, Service(Path(folder)) as service:
        fill(Caller(service.port), told.tasks)
        console.print(by_call(service, floor, told.tasks, told.batch, told.rounds))
        console.print(by_trainers(service, floor, told.batch, told.seconds))


if __name__ == "__main__":
    main()
