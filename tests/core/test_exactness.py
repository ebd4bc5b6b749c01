"""The sparse posterior gives the dense recursion, to 1e-9 relative, whatever the history."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selector_api.core.config import RunConfig
from selector_api.core.fold import fold
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Interpolation, NoImplicit
from selector_api.core.state import RunState
from selector_api.core.tasks import TaskTable
from tests.core import runs
from tests.core.dense import DenseRun

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),  # minutes on a busy machine
    pytest.mark.no_cover,  # which would double them
]

TOLERANCE = 1e-9

shares = st.one_of(st.sampled_from([0.0, 1.0, 0.1]), st.floats(0.0, 1.0))
rates = st.one_of(st.none(), st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0.0, 1.0))
new_tasks = st.lists(
    st.tuples(st.sampled_from(["math", "code", "logic"]), rates, rates), min_size=1, max_size=8
)
trials = st.integers(1, 32)
# What each commit reports is drawn as numbers that are later taken modulo what is there.
batches = st.lists(
    st.tuples(st.integers(0, 10**6), st.floats(0.0, 1.0), trials, st.booleans()), min_size=1, max_size=6
)
steps = st.lists(st.one_of(batches, new_tasks), max_size=25)


def row(number: int, domain: str, weak: float | None, strong: float | None) -> runs.Row:
    references = {"weak": weak, "strong": strong}
    return f"t{number}", domain, {name: rate for name, rate in references.items() if rate is not None}


def agree(state: RunState, dense: DenseRun) -> None:
    marginals = state.posterior.of_tasks(np.arange(state.size)).parameters()
    np.testing.assert_allclose(marginals["alpha"], dense.alpha, rtol=TOLERANCE, atol=0.0)
    np.testing.assert_allclose(marginals["beta"], dense.beta, rtol=TOLERANCE, atol=0.0)
    known = {name: value for name, value in state.capability_by_domain().items() if value is not None}
    assert known.keys() == dense.capability.keys()
    for name, value in known.items():
        np.testing.assert_allclose(value, dense.capability[name], rtol=TOLERANCE, atol=1e-12)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    forgetting=shares,
    implicit_weight=shares,
    rollouts=st.integers(1, 64),
    prior=st.tuples(st.floats(0.01, 20.0), st.floats(0.01, 20.0)),
    interpolate=st.booleans(),
    first=new_tasks,
    history=steps,
)
def test_any_history_gives_the_dense_recursion(
    forgetting, implicit_weight, rollouts, prior, interpolate, first, history
):
    config = RunConfig(
        pool="p",
        posterior=Bots(
            prior,
            forgetting,
            implicit_weight,
            rollouts,
            Interpolation("weak", "strong") if interpolate else NoImplicit(),
        ),
    )
    dense = DenseRun(forgetting, implicit_weight, rollouts, prior, interpolate=interpolate)
    table = TaskTable.empty()
    state: RunState | None = None
    for step in [first, *history]:
        if isinstance(step[0][0], str):
            table = runs.table_of([row(len(table) + k, *task) for k, task in enumerate(step)], table)
            event = (
                runs.created(config, len(table)) if state is None else {"type": "grown", "tasks": len(table)}
            )
            state = fold(state, event, table)
            for task in step:
                dense.join(f"t{len(dense.ids)}", *task)
        else:
            assert state is not None
            outcomes = {
                f"t{pick % len(table)}": (round(rate * n) if whole else rate * n, n)
                for pick, rate, n, whole in step
            }
            state = runs.commit(state, outcomes)
            dense.commit(outcomes)
        assert state is not None
        agree(state, dense)


@settings(max_examples=4, deadline=None, derandomize=True)
@given(
    forgetting=st.sampled_from([0.0, 1e-6, 0.1, 0.9]),
    implicit_weight=st.sampled_from([0.1, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_ten_thousand_commits_do_not_drift(forgetting, implicit_weight, seed):
    rng = np.random.default_rng(seed)
    rows = [
        (f"t{k}", "d", {"weak": float(w), "strong": float(v)})
        for k, (w, v) in enumerate(rng.integers(0, 17, size=(12, 2)) / 16)
    ]
    table = runs.table_of(rows)
    config = RunConfig(
        pool="p",
        posterior=Bots(
            forgetting=forgetting,
            implicit_weight=implicit_weight,
            implicit=Interpolation("weak", "strong"),
        ),
    )
    dense = DenseRun(forgetting, implicit_weight, 16, (1.0, 1.0))
    for id_, domain, references in rows:
        dense.join(id_, domain, references["weak"], references["strong"])
    state = runs.started(config, table)
    for _ in range(10_000):
        # Task 0 is in every batch and never passes: its residual must cancel its background for ever.
        batch = {0, *rng.choice(12, size=3, replace=False).tolist()}
        outcomes = {f"t{k}": (0 if k == 0 else int(rng.integers(0, 17)), 16) for k in sorted(batch)}
        state = runs.commit(state, outcomes)
        dense.commit(outcomes)
    agree(state, dense)
