"""What a trainer would do in its own process in place of select and report: at once in numpy, or task by task."""

from __future__ import annotations

import random

import numpy as np

SEED = 1
ROLLOUTS = 16


class Dense:
    """BOTS with one entry a task: a Beta draw for each, the nearest ones, then an update of every task."""

    def __init__(self, size: int, batch: int) -> None:
        self._rng = np.random.default_rng(SEED)
        self._batch = batch
        self._weak, self._strong = self._rng.integers(0, 17, (2, size)) / 16
        self._alpha, self._beta = np.ones(size), np.ones(size)
        self._capability = 0.5
        self._tasks = np.arange(batch)

    def select(self) -> None:
        distance = np.abs(self._rng.beta(self._alpha, self._beta) - 0.5)
        self._tasks = np.argpartition(distance, self._batch)[: self._batch]

    def report(self) -> None:
        tasks = self._tasks
        passed = self._rng.integers(0, ROLLOUTS + 1, self._batch)
        weak, strong = self._weak[tasks].mean(), self._strong[tasks].mean()
        now = ((passed / ROLLOUTS).mean() - weak) / (strong - weak + 1e-6)
        self._capability = 0.9 * self._capability + 0.1 * now
        predicted = np.clip(self._weak + self._capability * (self._strong - self._weak), 0.0, 1.0)
        gained, lost = 1.6 * predicted, 1.6 * (1.0 - predicted)
        gained[tasks], lost[tasks] = passed, ROLLOUTS - passed
        self._alpha = 0.9 * self._alpha + 0.1 + gained
        self._beta = 0.9 * self._beta + 0.1 + lost


class TaskByTask:
    """A buffer in the manner of prime-rl: each task is picked by itself, from those neither too easy nor too hard.

    What its rollouts came to moves a task to the easy or the hard ones, for good.
    """

    def __init__(self, size: int, batch: int) -> None:
        self._random = random.Random(SEED)
        self._batch = batch
        self._buffers = {"math": {str(task): {"id": str(task), "domain": "math"} for task in range(size)}}
        self._easy: list[str] = []
        self._hard: list[str] = []
        self._picked: list[dict[str, str]] = []

    def select(self) -> None:
        domains = [name for name, buffer in self._buffers.items() if buffer]
        weights = [len(self._buffers[name]) for name in domains]
        self._picked = [
            self._random.choice(list(self._buffers[domain].values()))
            for domain in self._random.choices(domains, weights, k=self._batch)
        ]

    def report(self) -> None:
        for task in self._picked:
            passed = [self._random.random() < 0.5 for _ in range(ROLLOUTS)]
            rate = sum(passed) / len(passed)
            if rate in (0.0, 1.0):
                self._buffers[task["domain"]].pop(task["id"], None)
                (self._easy if rate else self._hard).append(task["id"])
