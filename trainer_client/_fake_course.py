"""The course of the fake selector's runs: their commits, calibration and staleness."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from trainer_client._fake_outcomes import is_informative
from trainer_client._fake_posterior import Counts

BINS = 10
GROUPS = 1_000
RECENT_COMMITS = 20
HISTOGRAM_EVERY = 16


@dataclass(frozen=True)
class Entering:
    """Outcomes that enter the posteriors: of a commit, or of an evaluation."""

    rows: list[Counts]
    expected: Sequence[float | None] | None
    """The success probability expected of each (None: none); None: they are of an evaluation."""
    of_selections: Sequence[int | None] = ()
    """The policy version that the selection of each was made for; empty: none was."""

    @property
    def versions(self) -> list[int]:
        """The policy versions that are known."""
        told: list[dict[str, Any]] = [seen[2] if len(seen) > 2 else {} for _, seen in self.rows]
        of_selections = self.of_selections or [None] * len(told)
        versions = [
            each.get("policy_version", version) for each, version in zip(told, of_selections, strict=True)
        ]
        return [version for version in versions if version is not None]


@dataclass(frozen=True)
class Commit:
    """What a commit has brought."""

    step: int
    entered: Entering
    never_selected: int
    newest: int | None
    """The newest policy version by then."""

    @property
    def rows(self) -> list[Counts]:
        """Its groups."""
        return self.entered.rows


class FakeCourse:
    """The commits of a run in order."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.histograms: list[dict[str, Any]] = []
        self.newest: int | None = None

    def see(self, version: int | None) -> None:
        """Take in that the trainer has reached this policy version."""
        if version is not None:
            self.newest = version if self.newest is None else max(self.newest, version)

    def add(self, step: int, entered: Entering, never_selected: int) -> None:
        """Take in a commit."""
        self.see(max(entered.versions, default=None))
        self.commits.append(Commit(step, entered, never_selected, self.newest))

    def chart(self, step: int, means: Sequence[float]) -> None:
        """Note now and then how many tasks have a mean in each tenth of [0, 1]."""
        if step % HISTOGRAM_EVERY == 0:
            self.histograms.append(histogram(step, means))

    def points(self, count: int, domain_of: Callable[[str], str]) -> list[dict[str, Any]]:
        """At most so many points, from the first commit to the last."""
        stride = max(1, -(-len(self.commits) // count))
        starts = range(0, len(self.commits), stride)
        return [_point(self.commits[start : start + stride], domain_of) for start in starts]

    def streak(self, task: str) -> int:
        """How many of a task's last groups passed in every rollout, or with a minus failed so."""
        length = 0
        for commit in self.commits:
            rows = [seen for of, seen in commit.rows if of == task]
            successes, trials = sum(seen[0] for seen in rows), sum(seen[1] for seen in rows)
            if trials >= 2:
                passed, failed = successes >= trials, successes <= 0
                length = max(length, 0) + 1 if passed else min(length, 0) - 1 if failed else 0
        return length

    def calibration(self) -> dict[str, Any]:
        """What was expected of the last groups against what was seen."""
        known = [pair for commit in self.commits for pair in _pairs(commit)][-GROUPS:]
        bins: dict[int, list[tuple[float, float]]] = {}
        for predicted, seen in known:
            bins.setdefault(min(int(predicted * BINS), BINS - 1), []).append((predicted, seen))
        return {"groups": len(known), **_means(known)} | {
            "bins": [{"groups": len(bins[place]), **_means(bins[place])} for place in sorted(bins)]
        }

    def staleness(self) -> dict[str, Any] | None:
        """How far the outcomes of the last commits were behind; None if no version was ever told."""
        if self.newest is None:
            return None
        told = [commit for commit in self.commits if commit.entered.versions][-RECENT_COMMITS:]
        behind = [(commit.newest or 0) - version for commit in told for version in commit.entered.versions]
        return {
            "newest": self.newest,
            "mean": fmean(behind) if behind else None,
            "largest": max(behind, default=None),
        }


def histogram(step: int, means: Sequence[float]) -> dict[str, Any]:
    """How many tasks have a mean in each tenth of [0, 1]."""
    places = Counter(min(int(mean * BINS), BINS - 1) for mean in means)
    return {"step": step, "tasks": [places[place] for place in range(BINS)]}


def effective(rows: Sequence[Counts]) -> float | None:
    """The share of groups whose rewards were not all equal."""
    return fmean(is_informative(row) for _, row in rows) if rows else None


def _point(commits: Sequence[Commit], domain_of: Callable[[str], str]) -> dict[str, Any]:
    rows = [row for commit in commits for row in commit.rows]
    domains = Counter(domain_of(task) for task, _ in rows)
    return {
        "step": commits[-1].step,
        "commits": len(commits),
        "groups": len(rows),
        "etr": effective(rows),
        "predicted": _means([pair for commit in commits for pair in _pairs(commit)])["predicted"],
        "seen": fmean(_rate(seen) for _, seen in rows) if rows else None,
        "never_selected": commits[-1].never_selected,
        "capability": {},
        "share": {domain: number / len(rows) for domain, number in domains.items()},
    }


def _pairs(commit: Commit) -> list[tuple[float, float]]:
    """Of the groups of which something was expected, that and their pass rate."""
    pairs = zip(commit.entered.expected or (), commit.rows, strict=True)
    return [(expected, _rate(seen)) for expected, (_, seen) in pairs if expected is not None]


def _means(pairs: Sequence[tuple[float, float]]) -> dict[str, float | None]:
    if not pairs:
        return {"predicted": None, "seen": None}
    return {"predicted": fmean(each[0] for each in pairs), "seen": fmean(each[1] for each in pairs)}


def _rate(seen: list[Any]) -> float:
    return seen[0] / seen[1]
