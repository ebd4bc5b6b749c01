"""The update of every task of the pool, written out densely and independently of the code under test."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass
class DenseRun:
    """All posteriors of a run, one entry a task, moved by the recursion of the BOTS paper."""

    forgetting: float
    implicit_weight: float
    rollouts: int
    prior: tuple[float, float]
    smoothing: float = 0.9
    interpolate: bool = True
    ids: list[str] = field(default_factory=list)
    domain: list[str] = field(default_factory=list)
    weak: list[float] = field(default_factory=list)
    strong: list[float] = field(default_factory=list)
    alpha: list[float] = field(default_factory=list)
    beta: list[float] = field(default_factory=list)
    background: dict[tuple, tuple[float, float]] = field(default_factory=dict)
    capability: dict[str, float] = field(default_factory=dict)

    def join(self, id_: str, domain: str, weak: float | None, strong: float | None) -> None:
        """A task joins, at what its class would have if it had never been reported."""
        w, v = math.nan, math.nan
        if weak is not None and strong is not None and self.interpolate:
            w, v = weak, strong
        alpha, beta = self.background.setdefault(self._key(domain, w, v), self.prior)
        self.ids.append(id_)
        self.domain.append(domain)
        self.weak.append(w)
        self.strong.append(v)
        self.alpha.append(alpha)
        self.beta.append(beta)

    def commit(self, outcomes: Mapping[str, tuple[float, int]]) -> None:
        """One BOTS update with (successes, trials) by task id."""
        index = {id_: k for k, id_ in enumerate(self.ids)}
        for domain in sorted({self.domain[index[id_]] for id_ in outcomes}):
            batch = [
                (s / n, self.weak[index[i]], self.strong[index[i]])
                for i, (s, n) in outcomes.items()
                if self.domain[index[i]] == domain and not math.isnan(self.weak[index[i]])
            ]
            if not batch:
                continue
            rate, weak, strong = (float(np.mean(column)) for column in zip(*batch, strict=True))
            if abs(strong - weak) < 0.02:
                continue
            now = (rate - weak) / (strong - weak + 1e-6)
            if domain in self.capability:
                now = self.smoothing * self.capability[domain] + (1 - self.smoothing) * now
            self.capability[domain] = now

        for k, id_ in enumerate(self.ids):
            if id_ in outcomes:
                s, n = outcomes[id_]
                e, f = s, n - s
            else:
                e, f = self._implicit(self.domain[k], self.weak[k], self.strong[k])
            self.alpha[k], self.beta[k] = self._move(self.alpha[k], self.beta[k], e, f)
        for key, (alpha, beta) in self.background.items():
            domain, weak, strong = key
            e, f = self._implicit(domain, math.nan if weak is None else weak, strong)
            self.background[key] = self._move(alpha, beta, e, f)

    def inform(self, outcomes: Mapping[str, tuple[float, int]]) -> None:
        """An evaluation with (successes, trials) by task id: evidence of these tasks and no step."""
        for id_, (s, n) in outcomes.items():
            k = self.ids.index(id_)
            self.alpha[k] += s
            self.beta[k] += n - s

    def _implicit(self, domain: str, weak: float, strong: float) -> tuple[float, float]:
        if math.isnan(weak) or domain not in self.capability:
            return 0.0, 0.0
        p = min(max(weak + self.capability[domain] * (strong - weak), 0.0), 1.0)
        return self.implicit_weight * self.rollouts * p, self.implicit_weight * self.rollouts * (1 - p)

    def _move(self, alpha: float, beta: float, e: float, f: float) -> tuple[float, float]:
        keep = 1 - self.forgetting
        return (
            keep * alpha + self.forgetting * self.prior[0] + e,
            keep * beta + self.forgetting * self.prior[1] + f,
        )

    @staticmethod
    def _key(domain: str, weak: float, strong: float) -> tuple:
        return (domain, None, None) if math.isnan(weak) else (domain, weak, strong)
