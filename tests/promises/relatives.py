"""A run and its forks, each with the model of it: what both replicas must say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.core.dense import DenseRun
from tests.promises import logs
from tests.promises.model import Model
from tests.promises.pair import Run

_DEFAULT_LEASE = 3600.0


@dataclass
class Relative:
    """The run that a program began with, or a fork."""

    run: Run
    model: Model
    config: dict[str, Any]
    """As far as it was sent."""

    @property
    def lease_seconds(self) -> float:
        return self.config.get("lease_seconds", _DEFAULT_LEASE)

    @property
    def reads_references(self) -> bool:
        return self.config["posterior"]["implicit"]["type"] != "none"

    def check(self, replica: int) -> None:
        """One replica's view of it, and the other's posteriors and selections, are the model's."""
        view, expected = self.run.view(replica), self.model.view()
        assert {name: view[name] for name in expected} == expected
        assert _part(view["config"], self.config) == self.config
        dense = self.model.course.dense
        assert view["capability"].keys() == expected["etr"]["by_domain"].keys()
        known = {domain: value for domain, value in view["capability"].items() if value is not None}
        assert known.keys() == dense.capability.keys()
        for domain, value in known.items():
            np.testing.assert_allclose(value, dense.capability[domain], rtol=1e-9, atol=1e-12)
        rows = self.run.posteriors(1 - replica)
        logs.check_dense(rows, dense)
        for row in rows:
            told = self.model.row(row["task"])
            assert {name: row[name] for name in told} == told
        for entry, told in zip(self.run.selections(1 - replica), self.model.listed(), strict=True):
            assert entry == told if told["status"] == "open" else entry | {"expires_at": None} == told

    def check_log(self) -> None:
        """Its log holds the model's commits, and folds to what both replicas have."""
        events = self.run.events(0)
        if self.model.parent is None and "share_leased" not in self.config:
            logs.check_order(events)
        expected = [
            sorted((row.source, row.task, row.outcome.successes, row.outcome.trials) for row in commit)
            for commit in self.model.course.commits
        ]
        assert logs.commits(events) == expected
        logs.check_replay(self.run, batch_sizes=())


def dense_of(config: Mapping[str, Any]) -> DenseRun:
    """The dense recursion of a configuration's posterior."""
    posterior = config["posterior"]
    numbers = {name: posterior[name] for name in ("forgetting", "implicit_weight", "rollouts", "prior")}
    return DenseRun(**numbers, interpolate=posterior["implicit"]["type"] != "none")


def commit_every(config: Mapping[str, Any]) -> int | None:
    """How many outcomes make a commit; None: those of a selection."""
    commit = config.get("commit", "selection")
    return None if commit == "selection" else commit["outcomes"]


def _part(values: Any, like: Any) -> Any:
    """What of these values `like` has, too."""
    return {name: _part(values[name], like[name]) for name in like} if isinstance(like, dict) else values
