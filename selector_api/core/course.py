"""The course of a run: what became of its commits, in a bounded number of points.

A point stands for `stride` commits, the last one for those that have come since. When there are as many as there
may be, each two become one and the stride doubles: so a long run is as long to look at as a short one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from selector_api.core.arrays import FloatArray, IntArray

MAX_POINTS = 1024
MAX_DOMAINS = 64
"""Domains that are told apart: the first of the pool."""
BINS = 10
"""Of histograms of success probabilities, equally wide."""
_SUMS = (
    "commits",
    "groups",
    "informative",
    "rates",
    "predicted",
    "predicted_groups",
    "predicted_informative",
    "all_failed",
    "all_passed",
    "versions",
    "behind",
)
_LAST = ("step", "never_selected", "dropped", "solved", "relapsed")
_COLUMNS = (*_SUMS, *_LAST)
_DETAILS = ("predicted_etr", "all_failed", "all_passed", "behind", "dropped", "solved", "relapsed")
_EVERY = 16
_MAX_HISTOGRAMS = 64


class Course:
    """What became of a run's commits."""

    def __init__(self) -> None:
        self._points: list[FloatArray] = []
        self._groups: list[dict[int, int]] = []
        """Of each point the groups by domain code."""
        self._capability: list[dict[int, float]] = []
        self.stride = 1
        self._histograms: list[tuple[int, IntArray, IntArray]] = []
        """Step, how many tasks had a mean in each of the `BINS`, and how many groups since the last one had."""
        self._chosen = np.zeros(BINS, np.int64)
        """The groups since the last histogram."""
        self._every = _EVERY

    def record(
        self,
        step: int,
        domains: IntArray,
        informative: int,
        rates: FloatArray,
        predicted: FloatArray,
        never_selected: int,
        capability: Mapping[int, float],
        **more: float,
    ) -> None:
        """Take in the commit that led to `step`.

        Args:
            step: of the run after it.
            domains: the domain code of each group.
            informative: how many groups were informative.
            rates: the pass rate of each group.
            predicted: the success probability that was expected of each when it was selected, NaN where none was.
            never_selected: tasks that were never selected.
            capability: by domain code.
            more: the groups' `predicted_informative` (a sum over those of which something was expected), how many
                `all_failed` and `all_passed`, how many told their `versions` and how far these were `behind` in
                all; of the run after it the tasks ever `dropped`, `solved` and `relapsed`. 0 if absent.
        """
        known = ~np.isnan(predicted)
        counts = np.bincount(domains[domains < MAX_DOMAINS])
        self._chosen = self._chosen + np.bincount(place_of(predicted[known]), minlength=BINS)
        values: dict[str, float] = {
            "commits": 1,
            "groups": len(rates),
            "informative": informative,
            "rates": float(rates.sum()),
            "predicted": float(predicted[known].sum()),
            "predicted_groups": int(known.sum()),
            "step": step,
            "never_selected": never_selected,
            **more,
        }
        row = np.array([values.get(name, 0.0) for name in _COLUMNS], np.float64)
        groups = {int(code): int(counts[code]) for code in np.flatnonzero(counts)}
        now = {code: value for code, value in capability.items() if code < MAX_DOMAINS}
        if self._points and self._points[-1][0] < self.stride:
            self._points[-1] = _joined(self._points[-1], row)
            self._groups[-1] = _summed(self._groups[-1], groups)
            self._capability[-1] = now
            return
        if len(self._points) == MAX_POINTS:
            self._halve()
        self._points.append(row)
        self._groups.append(groups)
        self._capability.append(now)

    def is_histogram_due(self, step: int) -> bool:
        """Whether the difficulties of all tasks are to be noted after this commit, which takes a while."""
        return step % self._every == 0

    def record_histogram(self, step: int, counts: IntArray) -> None:
        """Note how many tasks have a mean in each of the `BINS`."""
        if len(self._histograms) == _MAX_HISTOGRAMS:
            pairs = zip(self._histograms[::2], self._histograms[1::2], strict=True)
            self._histograms = [(at, tasks, before[2] + chosen) for before, (at, tasks, chosen) in pairs]
            self._every *= 2
            if step % self._every:
                return
        self._histograms.append((step, counts, self._chosen))
        self._chosen = np.zeros(BINS, np.int64)

    def _halve(self) -> None:
        pairs = range(0, len(self._points), 2)
        self._points = [_joined(self._points[i], self._points[i + 1]) for i in pairs]
        self._groups = [_summed(self._groups[i], self._groups[i + 1]) for i in pairs]
        self._capability = [self._capability[i + 1] for i in pairs]
        self.stride *= 2

    def points(self, count: int, domains: tuple[str, ...]) -> list[dict[str, Any]]:
        """At most `count` points, from the first commit to the last; `domains` are the names by code."""
        return [
            {name: value for name, value in point.items() if name not in _DETAILS}
            for point in self.details(count, domains)
        ]

    def details(self, count: int, domains: tuple[str, ...]) -> list[dict[str, Any]]:
        """Like `points`, with all that is known of each."""
        stride = max(1, -(-len(self._points) // count))
        starts = range(0, len(self._points), stride)
        return [self._point(start, min(start + stride, len(self._points)), domains) for start in starts]

    def _point(self, start: int, end: int, domains: tuple[str, ...]) -> dict[str, Any]:
        row, groups = self._points[start], self._groups[start]
        for place in range(start + 1, end):
            row, groups = _joined(row, self._points[place]), _summed(groups, self._groups[place])
        values = dict(zip(_COLUMNS, row.tolist(), strict=True))
        total, told = values["groups"], values["predicted_groups"]
        return {
            "step": int(values["step"]),
            "commits": int(values["commits"]),
            "groups": int(total),
            "etr": values["informative"] / total if total else None,
            "predicted": values["predicted"] / told if told else None,
            "seen": values["rates"] / total if total else None,
            "never_selected": int(values["never_selected"]),
            "capability": {domains[code]: value for code, value in sorted(self._capability[end - 1].items())},
            "share": {domains[code]: number / total for code, number in sorted(groups.items())},
            "predicted_etr": values["predicted_informative"] / told if told else None,
            "all_failed": values["all_failed"] / total if total else None,
            "all_passed": values["all_passed"] / total if total else None,
            "behind": values["behind"] / values["versions"] if values["versions"] else None,
            "dropped": int(values["dropped"]),
            "solved": int(values["solved"]),
            "relapsed": int(values["relapsed"]),
        }

    def capabilities(self) -> dict[int, list[tuple[int, float]]]:
        """The step of each point and the capability after it, by domain code, as far as it was known."""
        known: dict[int, list[tuple[int, float]]] = {}
        for row, each in zip(self._points, self._capability, strict=True):
            for code, value in each.items():
                known.setdefault(code, []).append((int(row[_COLUMNS.index("step")]), value))
        return known

    def never_selected(self, step: int) -> tuple[int, int] | None:
        """The last point that is no later than this step: its step, and how many tasks were never selected then."""
        for row in reversed(self._points):
            at = int(row[_COLUMNS.index("step")])
            if at <= step:
                return at, int(row[_COLUMNS.index("never_selected")])
        return None

    @property
    def most_solved(self) -> int:
        """As many tasks as were ever solved at once, as far as points tell."""
        return int(max((row[_COLUMNS.index("solved")] for row in self._points), default=0))

    @property
    def groups(self) -> int:
        """Groups ever reported in commits."""
        return int(sum(row[_COLUMNS.index("groups")] for row in self._points))

    def histograms(self) -> list[dict[str, Any]]:
        """The histograms that were noted, in order."""
        return [{"step": step, "tasks": tasks.tolist()} for step, tasks, _ in self._histograms]

    def difficulty(self, step: int, now: IntArray) -> list[dict[str, Any]]:
        """The histograms before this step and that of it, each with the groups that came since the one before."""
        earlier = [each for each in self._histograms if each[0] < step]
        groups = sum((chosen for _, _, chosen in self._histograms[len(earlier) :]), self._chosen)
        return [
            {"step": at, "tasks": tasks.tolist(), "groups": chosen.tolist()}
            for at, tasks, chosen in [*earlier, (step, now, groups)]
        ]

    def copy(self) -> Course:
        """A copy that later commits leave as it is."""
        course = Course()
        course.__dict__.update(
            {
                name: list(cast("list[Any]", value)) if isinstance(value, list) else value
                for name, value in vars(self).items()
            }
        )
        return course

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything that `restored` needs."""
        groups = [
            (p, code, number) for p, each in enumerate(self._groups) for code, number in sorted(each.items())
        ]
        capability = [
            (p, code, value)
            for p, each in enumerate(self._capability)
            for code, value in sorted(each.items())
        ]
        histograms = [(step, *tasks.tolist(), *chosen.tolist()) for step, tasks, chosen in self._histograms]
        return {
            "points": np.array(self._points, np.float64).reshape(-1, len(_COLUMNS)),
            "groups": np.array(groups, np.int64).reshape(-1, 3),
            "capability": np.array(capability, np.float64).reshape(-1, 3),
            "histograms": np.array(histograms, np.int64).reshape(-1, 1 + 2 * BINS),
            "chosen": self._chosen,
            "strides": np.array([self.stride, self._every]),
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray]) -> Course:
        """The course that `to_arrays` was called on."""
        course = cls()
        course._points = list(arrays["points"])
        course._groups = [{} for _ in course._points]
        for place, code, number in arrays["groups"].tolist():
            course._groups[place][code] = number
        course._capability = [{} for _ in course._points]
        for place, code, value in arrays["capability"].tolist():
            course._capability[int(place)][int(code)] = value
        course._histograms = [
            (int(row[0]), row[1 : 1 + BINS], row[1 + BINS :]) for row in arrays["histograms"]
        ]
        course._chosen = arrays["chosen"]
        if any(row.shape != (len(_COLUMNS),) for row in course._points):
            raise ValueError("the points of the course are of another release")
        course.stride, course._every = arrays["strides"].tolist()
        return course


def place_of(rates: FloatArray) -> IntArray:
    """In which of the `BINS` each of these rates is."""
    return np.minimum((rates * BINS).astype(np.int64), BINS - 1)


def _joined(first: FloatArray, second: FloatArray) -> FloatArray:
    joined = first + second
    joined[len(_SUMS) :] = second[len(_SUMS) :]
    return joined


def _summed(first: dict[int, int], second: dict[int, int]) -> dict[int, int]:
    return {code: first.get(code, 0) + second.get(code, 0) for code in first.keys() | second.keys()}
