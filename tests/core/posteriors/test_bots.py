from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from scipy import stats

from selector_api.core.config import RunConfig
from selector_api.core.posteriors.beta import BetaMarginals
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Interpolation
from tests.core import runs

X = np.linspace(0.0, 1.0, 11)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 0.5), (1.0, 17.0), (12.5, 3.0)])
def test_the_marginals_are_betas(alpha, beta):
    marginals = BetaMarginals(np.full(11, alpha), np.full(11, beta))
    law = cast(Any, stats.beta(alpha, beta))
    assert len(marginals) == 11
    np.testing.assert_allclose(marginals.mean(), law.mean(), rtol=1e-12)
    np.testing.assert_allclose(marginals.sd(), law.std(), rtol=1e-12)
    np.testing.assert_allclose(marginals.cdf(X), law.cdf(X), rtol=1e-12)
    np.testing.assert_allclose(marginals.pdf(X), law.pdf(X), rtol=1e-12)
    np.testing.assert_allclose(marginals.ppf(X), law.ppf(X), rtol=1e-10)
    assert (
        stats.kstest(marginals.take(np.zeros(4000, int)).draw(np.random.default_rng(1)), law.cdf).pvalue
        > 1e-3
    )


def config(**posterior) -> RunConfig:
    return RunConfig("p", posterior=Bots(**posterior, implicit=Interpolation("w", "s")))


def test_the_paper_s_defaults_on_one_commit():
    """Two tasks of one class, one is reported: the numbers of docs/mathematics.md by hand."""
    table = runs.table_of([("a", "d", {"w": 0.2, "s": 0.8}), ("b", "d", {"w": 0.2, "s": 0.8})])
    state = runs.commit(runs.started(config(), table), {"a": (4, 16)})
    mu = (0.25 - 0.2) / (0.6 + 1e-6)
    predicted = 0.2 + mu * 0.6
    parameters = state.posterior.of_tasks(np.array([0, 1])).parameters()
    np.testing.assert_allclose(parameters["alpha"], [1 + 4, 1 + 1.6 * predicted], rtol=1e-12)
    np.testing.assert_allclose(parameters["beta"], [1 + 12, 1 + 1.6 * (1 - predicted)], rtol=1e-12)
    assert state.posterior.individuals().tolist() == [0]


def test_a_decayed_residual_is_forgotten_and_the_task_is_of_its_class_again():
    table = runs.table_of([("a", "d", {"w": 0.2, "s": 0.8}), ("b", "d", {"w": 0.2, "s": 0.8})])
    state = runs.commit(runs.started(config(), table), {"a": (16, 16)})
    for _ in range(319):
        assert 0 in state.posterior.individuals() or state.step > 200
        state = runs.commit(state, {"b": (4, 16)})
    assert state.posterior.individuals().tolist() == [1]
    parameters = state.posterior.of_tasks(np.array([0])).parameters()
    assert parameters["alpha"][0] == state.posterior.of_classes().parameters()["alpha"][0]


def test_without_forgetting_nothing_is_forgotten():
    table = runs.table_of(runs.plain_rows(3))
    state = runs.started(config(forgetting=0.0), table)
    for _ in range(200):
        state = runs.commit(state, {"t0": (1, 2), "t1": (0, 1)})
    parameters = state.posterior.of_tasks(np.arange(3)).parameters()
    assert parameters["alpha"].tolist() == [201.0, 1.0, 1.0]
    assert parameters["beta"].tolist() == [201.0, 201.0, 1.0]
