"""The rasch posterior on a real GRPO run and on real pass rates of ten models.

The pass counts lie beside the project, not in it; see the README there for what they are. Reference columns of the
run are simulated from its own rates, smoothed over time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, gammaln, logit

from selector_api.core.config import RunConfig
from selector_api.core.policies.signal import Signal
from selector_api.core.posteriors.quadrature import log_predictive
from selector_api.core.posteriors.rasch import Rasch, RaschPosterior
from selector_api.core.select import select
from selector_api.core.state import RunState
from tests.core import runs
from tests.core.posteriors.rasch_runs import commit, posterior_of

DATA = Path(__file__).parents[3] / "shared" / "data"
POINTS = 60
ROLLOUTS = 8

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.exists(), reason="the pass counts of real models are not beside the project"),
]


def pass_counts() -> tuple[np.ndarray, np.ndarray]:
    """Passes of 8 at each visit of each task, and how many visits there were."""
    with np.load(DATA / "grpo_run_pass_counts.npz") as data:
        return data["correct"].astype(np.float64), data["visits"].astype(np.int64)


@pytest.fixture(scope="module")
def smoothed() -> np.ndarray:
    """The run's pass rates over time, [tasks, points]."""
    correct, visits = pass_counts()
    at = (np.arange(POINTS) + 0.5) / POINTS
    rates = np.empty((len(visits), POINTS))
    for task, count in enumerate(visits.tolist()):
        visited = (np.arange(count) + 0.5) / count
        weights = np.exp(-(((visited[:, None] - at) / 0.05) ** 2) / 2)
        passed = (correct[task, :count, None] * weights).sum(axis=0)
        rates[task] = (passed + 0.02) / (ROLLOUTS * weights.sum(axis=0) + 0.04)
    return rates


def references(kind: str, rates: np.ndarray) -> np.ndarray:
    """Rates of 16 rollouts, [tasks, references]: of the run's own model at other times, more or less off."""
    rng, tasks = np.random.default_rng(100), len(rates)

    def off(place: float, sd: float) -> np.ndarray:
        near = logit(np.clip(rates[:, int(place * (POINTS - 1))], 0.02, 0.98))
        return rng.binomial(16, expit(near + rng.normal(0, 1, tasks) * sd)) / 16

    mixed = [(0.0, 2.6), (0.1, 4.0), (0.3, 2.6), (0.5, 2.0), (0.7, 4.0), (0.8, 2.6), (1.0, 3.0), (1.0, 2.0)]
    if kind == "none":
        return np.empty((tasks, 0))
    if kind == "good":
        return np.column_stack([rng.binomial(16, rates[:, 0]) / 16, rng.binomial(16, rates[:, -1]) / 16])
    return np.column_stack([off(*each) for each in ([(0.0, 2.6), (1.0, 2.6)] if kind == "poor" else mixed)])


def visits_in_order() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Tasks and their passes, in batches of at most 64 distinct ones."""
    correct, visits = pass_counts()
    order = sorted(
        (500 * (visit + 0.5) / count, task, visit)
        for task, count in enumerate(visits.tolist())
        for visit in range(count)
    )
    batch: dict[int, float] = {}
    for _, task, visit in order:
        if task in batch or len(batch) == 64:
            yield np.array(list(batch)), np.array(list(batch.values()))
            batch = {}
        batch[task] = correct[task, visit]


@pytest.mark.parametrize(
    ("kind", "log_loss", "brier"),
    [("none", 1.0690, 0.0172), ("poor", 1.0548, 0.0157), ("good", 1.0296, 0.0144), ("eight", 1.0402, 0.0150)],
)
def test_it_predicts_the_real_run_in_its_real_order(
    smoothed: np.ndarray, kind: str, log_loss: float, brier: float
) -> None:
    posterior = posterior_of(references(kind, smoothed))
    losses: list[np.ndarray] = []
    errors: list[np.ndarray] = []
    for tasks, passed in visits_in_order():
        marginals, trials = posterior.of_tasks(tasks), np.full(len(tasks), float(ROLLOUTS))
        ways = gammaln(trials + 1) - gammaln(passed + 1) - gammaln(trials - passed + 1)
        told = log_predictive(passed, trials, marginals.mu, marginals.sigma[:, None] ** 2)[:, 0]
        losses.append(-ways - told)
        errors.append((marginals.mean() - passed / ROLLOUTS) ** 2)
        commit(posterior, tasks, passed, ROLLOUTS)
    assert np.concatenate(losses).mean() == pytest.approx(log_loss, abs=0.003)
    assert np.concatenate(errors).mean() == pytest.approx(brier, abs=0.0003)


def brier_of_unseen(target: int, others: list[int], by_domain: bool) -> float:
    """Brier score of a model's tasks that were never seen, after 10 commits of 64 of its own."""
    with np.load(DATA / "reasoning_gym_pass_counts.npz") as data:
        correct, trials, ids = data["correct"].astype(float), data["trials"].astype(float), data["tasks"]
    rates = np.divide(correct, trials, out=np.full(correct.shape, np.nan), where=trials > 0)
    domains = np.unique([str(id_).split("/")[0] for id_ in ids], return_inverse=True)[1]
    posterior = posterior_of(np.rint(rates[:, others] * 16) / 16, domains if by_domain else None)
    order = np.random.default_rng(target).permutation(np.flatnonzero(trials[:, target] > 0))
    for tasks in np.split(order[:640], 10):
        commit(posterior, tasks, correct[tasks, target], trials[tasks, target])
    rest = order[640:]
    return float(((posterior.of_tasks(rest).mean() - rates[rest, target]) ** 2).mean())


@pytest.mark.parametrize(
    ("which", "by_domain", "brier"),
    [("none", False, 0.190), ("none", True, 0.137), ("two", True, 0.086), ("nine", True, 0.068)],
)
def test_it_predicts_unseen_tasks_from_domains_and_other_models(
    which: str, by_domain: bool, brier: float
) -> None:
    """Over ten models, each by none of the others, by the weakest and strongest of them, or by all.

    The posterior's specification has 0.214 and 0.114 for the first two, without saying over which models or tasks.
    Its own implementation has on this split what this one has, as for the models 0, 2, 4, 6 and 8: 0.174, 0.179,
    0.214, 0.204, 0.170 without domains, 0.127, 0.141, 0.164, 0.137, 0.112 with them. No set of the ten has 0.214
    and 0.114: no model's score with domains is below 0.6 times that without. The last two are the specification's.
    """
    scores: list[float] = []
    for target in range(10):
        others = [model for model in range(10) if model != target]
        chosen = {"none": [], "two": [others[0], others[-1]], "nine": others}[which]
        scores.append(brier_of_unseen(target, chosen, by_domain))
    assert np.mean(scores) == pytest.approx(brier, abs=0.003)


def replayed(smoothed: np.ndarray, kind: str, power: float, seed: int = 5) -> RunState:
    """A run whose tasks pass, whenever they are selected, at the real run's rates of that time."""
    rates, steps = references(kind, smoothed), 450
    rows = [
        (f"t{n}", "d", {f"r{r}": rate for r, rate in enumerate(row)}) for n, row in enumerate(rates.tolist())
    ]
    table = runs.table_of(rows)
    posterior = Rasch().settled(table)
    state = runs.started(RunConfig("p", seed=seed, posterior=posterior, policy=Signal(power=power)), table)
    rng = np.random.default_rng(seed)
    for step in range(steps):
        tasks = select(state, 32).tasks
        passed = rng.binomial(ROLLOUTS, smoothed[tasks, step * POINTS // steps])
        outcomes = {id_: (int(s), ROLLOUTS) for id_, s in zip(table.ids(tasks), passed, strict=True)}
        state = runs.commit(state, outcomes)
    return state


@pytest.mark.parametrize(("kind", "most"), [("none", 0.07), ("good", 0.05)])
def test_what_signal_selects_lets_it_know_all_tasks(smoothed: np.ndarray, kind: str, most: float) -> None:
    state = replayed(smoothed, kind, power=2.0)
    assert isinstance(state.posterior, RaschPosterior)
    means = state.posterior.of_tasks(np.arange(len(smoothed))).mean()
    assert np.abs(means - smoothed[:, -1]).mean() <= most


@pytest.mark.parametrize(("kind", "most"), [("none", 0.0), ("good", 0.01)])
def test_signal_leaves_no_task_out(smoothed: np.ndarray, kind: str, most: float) -> None:
    state = replayed(smoothed, kind, power=1.0)
    assert 1.0 - state.history.ever_selected / len(smoothed) <= most
