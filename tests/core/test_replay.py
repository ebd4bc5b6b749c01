from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from selector_api.core.config import RunConfig
from selector_api.core.fold import UnreadableLog
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Interpolation
from selector_api.core.replay import NamedTasks, replay
from tests.core import runs

OWN = RunConfig("p", posterior=Bots(forgetting=0.5))


def test_a_log_computed_by_hand() -> None:
    """One task, 2 of 2 and then 1 of 2, under λ = 0.5 and λ = 0, each with the prior (1, 1)."""
    log = [
        runs.created(OWN, 1),
        runs.selected("a", ["t0"]),
        runs.committed("a", {"t0": (2, 2)}),
        runs.selected("b", ["t0"]),
        runs.committed("b", {"t0": (1, 2)}),
    ]
    found = replay(log, runs.table_of(runs.plain_rows(1)), [None, Bots(forgetting=0.0)])
    assert found.commits == 2
    assert found.groups.step.tolist() == [1, 2]
    assert found.groups.rates.tolist() == [1.0, 0.5]
    own, kept = found.forecasts
    # After the first commit: Beta(½ + ½ + 2, ½ + ½) and Beta(3, 1), both 3 : 1.
    assert own.mean.tolist() == [0.5, 0.75]
    assert kept.mean.tolist() == [0.5, 0.75]
    # P(2 of 2 | Beta(1, 1)) = 1/3; P(1 of 2 | Beta(3, 1)) = 2 · B(4, 2) / B(3, 1) = 2 · (1/20) / (1/3).
    assert np.exp(own.log_probability).tolist() == pytest.approx([1 / 3, 3 / 10])


def test_a_commit_is_predicted_before_it_is_known() -> None:
    table = runs.table_of(runs.plain_rows(2))
    log = [runs.created(OWN, 2), runs.selected("a", ["t0", "t1"])]
    other = [*log, runs.committed("a", {"t0": (0, 4), "t1": (0, 4)})]
    log.append(runs.committed("a", {"t0": (4, 4), "t1": (0, 4)}))
    expected, elsewhere = (replay(each, table, [None]).forecasts[0].mean for each in (log, other))
    assert expected.tolist() == elsewhere.tolist()


def test_each_posterior_expects_what_a_run_of_its_own_would() -> None:
    """On a log with a late outcome, a drop, an evaluation, a selection that was released, and tasks that join."""
    rows = [(f"t{i}", "ab"[i % 2], {"weak": 0.25, "strong": 0.75}) for i in range(6)]
    table = runs.table_of(rows)
    log: list[dict[str, Any]] = [
        runs.created(OWN, 4),
        runs.selected("a", ["t0", "t1", "t2"]),
        {"type": "dropped", "selection": "a", "drops": [[2, "too long"]]},
        commit_of({"a": [[0, 3, 4], [1, 1, 4]]}, ["a"]),
        {"type": "grown", "tasks": 6},
        {"type": "observed", "key": "held-out", "rows": [["t4", 1, 2], ["t5", 0.5, 2]]},
        runs.selected("b", ["t4", "t5"]),
        {"type": "released", "selection": "b", "reason": "lease", "entered": 0},
        {"type": "excluded", "by": "run", "tasks": ["t3"]},
        {"type": "configured", "policy": {"type": "random"}},
        runs.selected("c", ["t0", "t4"]),
        commit_of({"c": [[0, 2, 4], [1, 4, 4]], "b": [["t5", 0, 4]]}, ["c"]),
    ]
    posteriors = [
        OWN.posterior,
        Bots(forgetting=0.01),
        Bots(implicit=Interpolation("weak", "strong"), rollouts=4),
    ]
    found = replay(log, table, posteriors)
    assert found.groups.step.tolist() == [1, 1, 2, 2, 2]
    assert found.groups.task.tolist() == [0, 1, 0, 4, 5]
    assert found.groups.domain.tolist() == [0, 1, 0, 0, 1]
    assert (found.commits, found.evaluated, found.dropped) == (2, 2, 1)
    for posterior, forecast in zip(posteriors, found.forecasts, strict=True):
        config = RunConfig("p", posterior=posterior).to_dict()
        before = runs.fold_all([{**log[0], "config": config}, *log[1:-1]], table)
        marginals = before.posterior.of_tasks(np.array([0, 4, 5]))
        assert forecast.mean[2:].tolist() == marginals.mean().tolist()


def commit_of(outcomes: dict[str, list[Any]], closes: list[str]) -> dict[str, Any]:
    return {
        "type": "committed",
        "selection": next(iter(outcomes)),
        "reason": "complete",
        "closes": closes,
        "outcomes": outcomes,
    }


def test_a_log_without_its_pool_is_predicted_alike_where_references_do_not_matter() -> None:
    table = runs.table_of(runs.plain_rows(9))
    log: list[dict[str, Any]] = [
        runs.created(OWN, 7),
        runs.selected("a", ["t6", "t1"]),
        {"type": "grown", "tasks": 9},
        runs.committed("a", {"t6": (1, 2), "t1": (2, 2)}),
        {"type": "observed", "key": "k", "rows": [["t8", 1, 2]]},
        runs.selected("b", ["t8", "t6"]),
        {"type": "released", "selection": "b", "reason": "lease", "entered": 0},
        commit_of({"b": [["t8", 1, 2]]}, []),
    ]
    named = NamedTasks()
    for event in log:
        named.read(event)
    assert named.table().first_ids(9) == ["t6", "t1", "t8"]
    alone = replay(named.log(log), named.table(), [None])
    whole = replay(log, table, [None])
    assert alone.forecasts[0].mean.tolist() == whole.forecasts[0].mean.tolist()
    assert alone.groups.rates.tolist() == whole.groups.rates.tolist()


def test_a_log_without_commits_has_no_groups() -> None:
    found = replay([runs.created(OWN, 2)], runs.table_of(runs.plain_rows(2)), [None, Bots()])
    assert (len(found.groups), found.commits, len(found.forecasts)) == (0, 0, 2)


@pytest.mark.parametrize("log", [[], [runs.selected("a", ["t0"])]])
def test_what_is_no_log_is_refused(log: list[dict[str, Any]]) -> None:
    with pytest.raises(UnreadableLog):
        replay(log, runs.table_of(runs.plain_rows(1)), [None])


def test_log_probability_of_certain_counts() -> None:
    found = replay(
        [runs.created(OWN, 1), runs.selected("a", ["t0"]), runs.committed("a", {"t0": (0, 1)})],
        runs.table_of(runs.plain_rows(1)),
        [None],
    )
    assert found.forecasts[0].log_probability.tolist() == pytest.approx([math.log(0.5)])
