"""Eight workers who select and report while something is done to Redis, and what was acknowledged to them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import httpx

from tests.promises import logs
from tests.promises.pair import REPLICAS, Pair, Run, ok, tasks_of

WORKERS = 8
RUNS = 4
"""Their slots are in several parts of a cluster."""
BATCH = 4
PATIENCE_SECONDS = 300.0
Known = dict[tuple[str, str], tuple[float, int]]


@dataclass
class Load:
    """What the workers do and see."""

    runs: list[Run]
    seed: int
    acknowledged: dict[str, Known] = field(default_factory=dict)
    """By run: what was reported and answered with success, by selection and task."""
    selections: set[tuple[str, str]] = field(default_factory=set)
    """Runs and selections that were handed out."""
    unknown: list[tuple[str, str]] = field(default_factory=list)
    """Selections that were handed out and that the service later did not know."""
    slowest: float = 0.0
    """Seconds that a call took, all its repetitions included."""
    calls: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _workers: list[Future[None]] = field(default_factory=list)

    def goes_on(self, calls: int) -> None:
        """Wait until so many further calls were answered."""
        with self._lock:
            wanted = self.calls + calls
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.calls < wanted:
            for worker in self._workers:
                if worker.done():
                    worker.result()
            assert time.monotonic() < deadline, f"{self.calls} of {wanted} calls were answered"
            time.sleep(0.01)

    def work(self, number: int) -> None:
        rng = random.Random(f"{self.seed}-{number}")
        turn = 0
        while not self._stop.is_set():
            turn += 1
            run = self.runs[(turn + number) % len(self.runs)]
            key = f"{number}-{turn}"
            selection = self._answer(run.select, rng.choice(REPLICAS), BATCH, key)
            assert selection.status_code == 200, selection.text
            name, tasks = selection.json()["selection"], selection.json()["tasks"]
            with self._lock:
                self.selections.add((run.name, name))
            sent = {(name, task): _truth(name, task) for task in tasks}
            rows = [
                {"task": task, "successes": successes, "trials": trials}
                for (_, task), (successes, trials) in sent.items()
            ]
            receipt = self._answer(run.report, rng.choice(REPLICAS), name, rows)
            if receipt.status_code == 404:
                with self._lock:
                    self.unknown.append((run.name, name))
                continue
            answer = ok(receipt)
            assert (answer["accepted"] + answer["duplicates"], answer["differing"]) == (len(tasks), 0), answer
            with self._lock:
                self.acknowledged.setdefault(run.name, {}).update(sent)

    def _answer(self, call: Callable[..., httpx.Response], *arguments: Any) -> httpx.Response:
        started = time.monotonic()
        response = call(*arguments)
        with self._lock:
            self.calls += 1
            self.slowest = max(self.slowest, time.monotonic() - started)
        return response

    def stop(self) -> None:
        self._stop.set()

    def check(self) -> Known:
        """Hold what was acknowledged against the logs; returns what the logs have lost of it."""
        lost: Known = {}
        for run in self.runs:
            events = run.events(0)
            assert events == run.events(1)
            logs.check_order(events)
            counted = logs.evidence(events)
            acknowledged = self.acknowledged.get(run.name, {})
            assert acknowledged, f"nobody has reported to {run.name}"
            for place, value in acknowledged.items():
                if place in counted:
                    assert counted[place] == value, (run.name, place)
                else:
                    lost[place] = value
            unsent = counted.keys() - acknowledged.keys()
            assert not unsent, f"nobody was told that these count: {unsent}"
        return lost


def _truth(selection: str, task: str) -> tuple[int, int]:
    number = crc32(f"{selection} {task}".encode())
    return number % 9, 8


@contextmanager
def load(pair: Pair, seed: int) -> Iterator[Load]:
    """Workers for as long as the block runs; at its end all that they began has been answered."""
    runs = [Run(pair, tasks_of(WORKERS * BATCH * 2), seed=seed) for _ in range(RUNS)]
    made = Load(runs, seed)
    with ThreadPoolExecutor(WORKERS) as threads:
        made._workers.extend(threads.submit(made.work, number) for number in range(WORKERS))
        try:
            yield made
        finally:
            made.stop()
        for worker in made._workers:
            worker.result()
