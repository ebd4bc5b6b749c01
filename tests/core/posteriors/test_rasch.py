"""What holds of a rasch posterior whatever it sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from selector_api.core import snapshot
from selector_api.core.classes import Classes
from selector_api.core.config import RunConfig
from selector_api.core.fold import fold
from selector_api.core.posteriors.rasch import MOST_CLASSES, Rasch, RaschPosterior
from tests.core import runs
from tests.core.posteriors.rasch_runs import commit, posterior_of, same

NONE = np.empty((200, 0))


def some_posterior(references: int, domains: int, seed: int, tasks: int = 400) -> RaschPosterior:
    rng = np.random.default_rng(seed)
    rates = rng.integers(0, 17, (tasks, references)) / 16
    rates[rng.random(rates.shape) < 0.2] = np.nan
    return posterior_of(rates, rng.integers(0, domains, tasks))


def some_commits(posterior: RaschPosterior, seed: int, count: int = 20, batch: int = 16) -> None:
    rng = np.random.default_rng(seed)
    tasks = len(posterior._classes.of_task)  # pyright: ignore[reportPrivateUsage]
    for _ in range(count):
        trials = rng.choice([1.0, 8.0, 16.0], batch)
        commit(
            posterior, rng.choice(tasks, batch, replace=False), np.round(trials * rng.random(batch)), trials
        )


def assert_sound(posterior: RaschPosterior) -> None:
    """Finite everywhere, variances above 0, covariances symmetric."""
    arrays = posterior.to_arrays()
    for name, array in arrays.items():
        assert np.isfinite(array).all(), name
    for name in ("covariance", "noise"):
        np.testing.assert_array_equal(arrays[name], np.swapaxes(arrays[name], -1, -2), err_msg=name)
        assert np.linalg.eigvalsh(arrays[name]).min() > 0, name
    assert (arrays["task_variance"][1:] > 0).all()
    for marginals in (posterior.of_classes(), posterior.of_tasks(posterior.individuals())):
        assert (marginals.sigma > 0).all()
        assert np.isfinite(marginals.mu).all()


@pytest.mark.parametrize("passes", [0.0, 8.0])
def test_all_right_or_all_wrong_for_a_thousand_commits(passes: float):
    posterior = posterior_of(NONE)
    for step in range(1000):
        commit(posterior, np.arange(4) + 4 * (step % 40), np.full(4, passes))
    assert_sound(posterior)
    told = posterior.of_tasks(np.array([0, 199])).mean()
    assert np.all(told > 0.97) if passes else np.all(told < 0.03)


@pytest.mark.parametrize("trials", [1e-3, 1.0, 256.0, 1e4, 1e6])
def test_any_number_of_trials(trials: float):
    posterior = some_posterior(2, 3, seed=1)
    for step in range(50):
        tasks = np.arange(8) + 8 * (step % 5)
        commit(posterior, tasks, trials * np.linspace(0.0, 1.0, 8), trials)
    assert_sound(posterior)
    if trials == 256.0:
        seen = posterior.of_tasks(np.arange(1, 7)).mean()
        assert seen == pytest.approx(np.linspace(0.0, 1.0, 8)[1:7], abs=0.02)


def test_one_task_alone_and_two_thousand_domains():
    alone = posterior_of(np.empty((1, 0)))
    for passes in (0.0, 8.0) * 100:
        commit(alone, [0], [passes])
    assert_sound(alone)
    rng = np.random.default_rng(3)
    many = posterior_of(rng.integers(0, 17, (4000, 2)) / 16, np.arange(4000) % 2000)
    for step in range(40):
        commit(many, (np.arange(64) + 64 * step) % 4000, rng.integers(0, 9, 64).astype(float))
    assert_sound(many)
    assert len(many.capability()) == 2000


def test_without_tasks_there_is_nothing_to_tell():
    posterior = Rasch(("a",), 16).initial()
    posterior.grow(Classes.of(1))
    assert (len(posterior.of_classes()), len(posterior.individuals()), posterior.capability()) == (0, 0, {})


@pytest.mark.parametrize(("references", "domains"), [(0, 1), (2, 5), (9, 4)])
def test_a_task_that_was_never_seen_is_its_class_bit_for_bit(references: int, domains: int):
    posterior = some_posterior(references, domains, seed=4)
    some_commits(posterior, seed=5)
    of_task = posterior._classes.of_task.astype(np.int64)  # pyright: ignore[reportPrivateUsage]
    others = np.setdiff1d(np.arange(400), posterior.individuals())
    for count in (1, 2, 3, 7, len(others)):
        # Before and after the classes were asked for, alone and together.
        for posterior_ in (posterior.copy(), posterior):
            tasks = posterior_.of_tasks(others[:count])
            classes = posterior_.of_classes().take(of_task[others[:count]])
            assert tasks.mu.tobytes() == classes.mu.tobytes()
            assert tasks.sigma.tobytes() == classes.sigma.tobytes()
            assert tasks.mean().tobytes() == classes.mean().tobytes()


def test_the_order_of_outcomes_and_a_copy_do_not_show():
    one, other = some_posterior(2, 5, seed=6), some_posterior(2, 5, seed=6)
    rng = np.random.default_rng(7)
    for _ in range(10):
        tasks, successes = rng.choice(400, 30, replace=False), rng.integers(0, 9, 30).astype(float)
        order = rng.permutation(30)
        commit(one, tasks, successes)
        commit(other, tasks[order], successes[order])
        before = other
        other = other.copy()
        commit(before, tasks, successes)
    assert same(one, other)


def test_the_learned_weights_follow_the_better_reference():
    rng = np.random.default_rng(8)
    true = rng.uniform(0.05, 0.95, 2000)
    rates = np.column_stack([rng.binomial(16, true) / 16, rng.integers(0, 17, 2000) / 16])
    posterior = posterior_of(rates)
    for step in range(30):
        tasks = np.arange(64 * step, 64 * step + 64)
        commit(posterior, tasks, rng.binomial(8, true[tasks]).astype(float))
    good, bad = posterior.reference_weights().values()
    assert 0.7 < good.weight < 1.1
    assert abs(bad.weight) < 0.1
    assert good.sd < 0.3
    rest = posterior.of_tasks(np.arange(1920, 2000))
    assert np.abs(rest.mean() - true[1920:]).mean() < 0.1


def test_a_domain_s_outcomes_tell_of_that_domain_most():
    posterior = posterior_of(np.empty((300, 0)), np.arange(300) % 3)
    for step in range(20):
        easy = np.arange(0, 300, 3)[5 * step : 5 * step + 4]
        hard = np.arange(1, 300, 3)[5 * step : 5 * step + 4]
        commit(posterior, [*easy, *hard], [8.0] * 4 + [0.0] * 4)
    capability = posterior.capability()
    assert capability.keys() == {0, 1}
    assert capability[0] > 0.9 > 0.1 > capability[1]
    unseen = posterior.of_classes()
    assert unseen.mean()[0] > unseen.mean()[2] > unseen.mean()[1]
    assert unseen.sigma[2] > unseen.sigma[0]


def test_an_evaluation_informs_without_time_or_practice():
    posterior = some_posterior(2, 3, seed=9)
    commit(posterior, np.arange(10), np.linspace(0, 8, 10))
    trained, evaluated = posterior.copy(), posterior.copy()
    before = posterior.of_tasks(np.array([50])).mean()[0]
    commit(trained, [50, 51], [8.0, 8.0])
    commit(evaluated, [50, 51], [8.0, 8.0], evaluation=True)
    steps = [int(each.to_arrays()["step"]) for each in (posterior, trained, evaluated)]
    assert steps == [1, 2, 1]
    assert evaluated.of_tasks(np.array([50])).mean()[0] > before + 0.1
    assert evaluated.individuals().tolist() == [*range(10), 50, 51]
    practised = evaluated.to_arrays()["task_practised"]
    assert practised.tolist() == [False] + [True] * 10 + [False] * 2
    assert_sound(evaluated)


def test_an_evaluation_before_the_first_commit_counts_for_its_domain():
    posterior = posterior_of(np.empty((20, 0)), np.arange(20) % 2)
    commit(posterior, [0, 2, 4], [8.0, 8.0, 8.0], evaluation=True)
    assert posterior.capability().keys() == {0}
    commit(posterior, [6, 8], [8.0, 8.0])
    assert_sound(posterior)
    assert posterior.capability()[0] > 0.5


def test_an_old_policy_s_outcome_says_less():
    means = []
    for behind in (0.0, 10.0, 1000.0):
        posterior = posterior_of(NONE)
        commit(posterior, np.arange(8), np.full(8, 4.0))
        before = posterior.of_tasks(np.array([0, 100]))
        commit(posterior, [0], [8.0], behind=behind)
        after = posterior.of_tasks(np.array([0, 100]))
        means.append(after.mu - before.mu)
        assert_sound(posterior)
    (own, others), (own_10, others_10), (own_1000, others_1000) = means
    assert own > own_10 > own_1000 > 0
    assert others > others_10 > others_1000 > 0


def test_the_fold_tells_how_far_an_outcome_is_behind():
    table = runs.table_of(runs.plain_rows(4))
    config = RunConfig("p", posterior=Rasch((), 16))

    def told(*versions: int | None) -> RaschPosterior:
        state = runs.started(config, table)
        state = fold(state, {**runs.selected("s1", ["t0", "t1"]), "policy_version": 7}, table)
        rows = [[f"t{number}", 4, 8, {"policy_version": version}] for number, version in enumerate(versions)]
        event = {"type": "committed", "selection": None, "reason": "unsolicited", "outcomes": rows}
        posterior = fold(state, event, table).posterior
        assert isinstance(posterior, RaschPosterior)
        return posterior

    now, late = told(7, 7), told(7, 3)
    expected = some = posterior_of(np.empty((4, 0)))
    some.observe(np.arange(2), np.full(2, 4.0), np.full(2, 8.0), np.array([0.0, 4.0]))
    assert same(late, expected)
    assert not same(now, late)
    assert same(told(None, None), now)


def test_rows_of_one_task_are_as_old_as_the_oldest():
    table = runs.table_of(runs.plain_rows(4))
    state = runs.started(RunConfig("p", posterior=Rasch((), 16)), table)
    rows = [["t1", 1, 2, {"policy_version": 9}], ["t0", 2, 2], ["t1", 2, 2, {"policy_version": 4}]]
    event = {"type": "committed", "selection": None, "reason": "unsolicited", "outcomes": rows}
    state = fold(state, event, table)
    expected = posterior_of(np.empty((4, 0)))
    expected.observe(np.arange(2), np.array([2.0, 3.0]), np.array([2.0, 4.0]), np.array([0.0, 5.0]))
    assert isinstance(state.posterior, RaschPosterior)
    assert same(state.posterior, expected)


def test_a_snapshot_is_taken_up_bit_for_bit_and_refused_with_a_value_that_is_not_finite():
    rows = [(f"t{n}", f"d{n % 3}", {"a": n % 5 / 4} if n % 4 else {}) for n in range(60)]
    table = runs.table_of(rows)
    state = runs.started(RunConfig("p", posterior=Rasch(("a",), 16)), table)
    rng = np.random.default_rng(10)

    def commit_some(state):
        outcomes = {f"t{n}": (int(rng.integers(9)), 8) for n in rng.choice(60, 8, replace=False)}
        return runs.commit(state, outcomes)

    for _ in range(5):
        state = commit_some(state)
    header, arrays = snapshot.taken(state.copy())
    again = snapshot.restored(header, {name: array.copy() for name, array in arrays.items()}, table)
    rng = np.random.default_rng(11)
    state = commit_some(commit_some(state))
    rng = np.random.default_rng(11)
    again = commit_some(commit_some(again))
    (_, arrays), (_, others) = snapshot.taken(state), snapshot.taken(again)
    for name, array in arrays.items():
        assert array.tobytes() == others[name].tobytes(), name
    for name in ("posterior.noise", "posterior.task_mean", "posterior.evidence_level"):
        spoilt = {**arrays, name: np.full_like(arrays[name], np.inf)}
        with pytest.raises(ValueError, match="not finite"):
            snapshot.restored(header, spoilt, table)


def test_the_pool_decides_what_is_left_open():
    rng = np.random.default_rng(12)
    rates = rng.random((20_000, 4))
    rows = [(f"t{n}", "d", dict(zip("abcd", row, strict=True))) for n, row in enumerate(rates.tolist())]
    table = runs.table_of(rows)
    settled = Rasch().settled(table)
    assert settled == Rasch(
        tuple("abcd"), 8
    )  # at most 9⁴ classes; in sixteenths nearly each task would be one
    assert len(runs.started(RunConfig("p", posterior=settled), table).classes) <= MOST_CLASSES
    assert Rasch(("b",)).settled(table) == Rasch(("b",), 16)
    assert Rasch(()).settled(table) == Rasch((), 16)
    assert Rasch(rounding=2).settled(table) == Rasch(tuple("abcd"), 2)
    assert Rasch(("a",)).settled_as(settled) == Rasch(("a",), 8)
    assert RunConfig.from_dict(RunConfig("p", posterior=settled).to_dict()).posterior == settled

    wide = runs.table_of([("t", "d", {f"r{n}": 0.5 for n in range(17)})])
    with pytest.raises(ValueError, match="17 references, and at most 16"):
        Rasch().settled(wide)
    with pytest.raises(ValueError, match="twice"):
        Rasch(("a", "a"))


def test_tasks_that_join_find_what_was_learned():
    rows = [(f"t{n}", "d", {"a": n % 5 / 4}) for n in range(50)]
    table = runs.table_of([*rows, *[(f"u{n}", f"e{n % 2}", {"a": n % 3 / 2}) for n in range(10)]])
    config = RunConfig("p", posterior=Rasch(("a",), 16))
    early, late = runs.started(config, table), runs.started(config, table, 50)
    for step in range(5):
        outcomes = {f"t{n}": (n % 9, 8) for n in range(step, 50, 7)}
        early, late = runs.commit(early, outcomes), runs.commit(late, outcomes)
    late = fold(late, {"type": "grown", "tasks": 60}, table)
    tasks = np.arange(60)
    one, other = early.posterior.of_tasks(tasks), late.posterior.of_tasks(tasks)
    for name, column in one.parameters().items():
        np.testing.assert_array_equal(column, other.parameters()[name])


def test_implicit_evidence_is_of_bots_alone():
    for values in (
        {"posterior": {"type": "rasch"}, "implicit": {"type": "none"}},
        {"posterior": {"type": "rasch", "implicit": {"type": "none"}}},
    ):
        with pytest.raises(ValueError, match="implicit is evidence of a 'bots' posterior"):
            RunConfig.from_dict({"pool": "p", **values})
    assert replace(RunConfig("p"), posterior=Rasch()).to_dict()["posterior"] == {"type": "rasch"}
