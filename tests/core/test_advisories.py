"""What a run's figures say in words is what they say, and nothing is said of too little."""

from __future__ import annotations

import re

import numpy as np
import pytest

from selector_api.core import reasons
from selector_api.core.advisories import advisories
from selector_api.core.advisory import Advisory
from selector_api.core.config import RunConfig
from selector_api.core.domains import domain_tasks
from selector_api.core.fold import fold
from selector_api.core.insight import insight
from selector_api.core.moves import capability_moves
from selector_api.core.posteriors.rasch import Rasch
from selector_api.core.reasons import LEFT_OUT, MAX_REASONS, OTHER_REASONS
from selector_api.core.snapshot import restored, taken
from selector_api.core.state import RunState
from tests.core import runs

TABLE = runs.table_of([*runs.plain_rows(30, "math", "m"), *runs.plain_rows(10, "code", "c")])
CONFIG = RunConfig("p")


def said(state: RunState) -> dict[str, Advisory]:
    return {each.code: each for each in advisories(state, domain_tasks(state), capability_moves(state))}


def commits(state: RunState, count: int, rates: dict[str, float], trials: int = 8) -> RunState:
    """So many commits in which these tasks pass so often."""
    for _ in range(count):
        state = runs.commit(state, {task: (rate * trials, trials) for task, rate in rates.items()})
    return state


def test_of_a_run_that_has_just_begun_nothing_is_said():
    told = said(runs.started(CONFIG, TABLE))
    assert list(told) == ["learning", "starving", "honest"]
    assert {each.level for each in told.values()} == {"ok"}
    assert told["learning"].text == "Too early to say: 0 commits so far."
    assert told["starving"].text == "40 tasks of 40 (100 %) never selected."
    assert said(runs.started(CONFIG, TABLE, tasks=0))["starving"].level == "look"


def test_what_failed_again_and_again_is_stuck():
    state = commits(runs.started(CONFIG, TABLE), 3, {"m0": 0.0, "m1": 0.0, "m2": 0.5})
    assert "stuck" not in said(state)
    state = commits(state, 1, {"m0": 0.0, "m1": 0.0})
    assert said(state)["stuck"].text.startswith(
        "2 tasks (2 in `math`) failed in every rollout of each of their last 4 groups"
    )
    state = commits(state, 1, {"m1": 0.5})
    assert said(state)["stuck"].text.startswith(
        "1 task (1 in `math`) failed in every rollout of each of its last 4 groups"
    )


def test_a_domain_that_is_left_out_starves():
    state = commits(runs.started(CONFIG, TABLE), 20, {f"m{number}": 0.5 for number in range(4)})
    starving = said(state)["starving"]
    assert starving.level == "look"
    assert starving.text == (
        "No task of `code` was reported in the last 20 commits. 36 tasks of 40 (90 %) never selected. "
        "First selections in the last 20 commits: 4; a random draw would have made about 35."
    )
    shares = RunConfig.from_dict(
        {"pool": "p", "policy": {"type": "random", "domains": {"math": 1.0, "code": 0.0}}}
    )
    state = commits(runs.started(shares, TABLE), 20, {"m0": 0.5})
    starving = said(state)["starving"]
    assert starving.level == "ok"
    assert starving.text.startswith("Nothing is drawn from `code`: the share is 0. 39 tasks of 40")


def test_tasks_that_are_hardly_ever_reached_starve():
    state = commits(runs.started(CONFIG, TABLE), 20, dict.fromkeys(["m0", "m1", "m2", "c0", "c1"], 0.5))
    assert said(state)["starving"].level == "ok"
    state = commits(state, 20, dict.fromkeys(["m0", "m1", "m2", "c0", "c1"], 0.5))
    starving = said(state)["starving"]
    assert starving.level == "look"
    assert starving.text.endswith(
        "First selections in the last 20 commits: 0; a random draw would have made about 32."
    )
    ids = TABLE.ids(np.arange(34))
    state = commits(runs.started(CONFIG, TABLE), 40, dict.fromkeys(ids, 0.5))
    assert said(state)["starving"].level == "ok", "of a few it is known why"


def test_predictions_that_are_off_are_named_by_domain():
    # Half is expected of tasks that nothing is known of: of `math` rightly, of `code` far too much.
    rates = {f"c{number}": 0.0 for number in range(10)} | {f"m{number}": 0.5 for number in range(10)}
    state = commits(runs.started(CONFIG, TABLE), 5, rates, trials=2)
    honest = said(state)["honest"]
    assert honest.level == "look"
    assert honest.text.startswith("Predictions are off in `code` (")


def test_the_whole_is_named_where_no_domain_has_enough():
    rows = [(f"t{number}", f"d{number}", {}) for number in range(60)]
    state = runs.started(CONFIG, runs.table_of(rows))
    for _ in range(2):
        state = commits(state, 1, {f"t{number}": 0.0 for number in range(60)})
    honest = said(state)["honest"]
    assert honest.level == "look"
    assert honest.text.startswith("Predictions are 0.")
    assert " too high. " in honest.text


def test_learning_is_told_by_the_capability_where_it_is_known():
    state = runs.started(RunConfig("p", posterior=Rasch()), TABLE)
    tasks = [f"m{number}" for number in range(8)]
    rising = commits(state, 4, dict.fromkeys(tasks, 0.1))
    for rate in np.linspace(0.1, 0.9, 16).tolist():
        rising = commits(rising, 1, dict.fromkeys(tasks, float(rate)), trials=16)
    learning = said(rising)["learning"]
    assert (learning.level, learning.text.partition(" (")[0]) == ("ok", "Capability rose")


def referenced(small: float, large: float) -> RunState:
    """A run of `bots` between two references, which passed so often on each of its tasks."""
    rows = [
        (f"{domain[0]}{number}", domain, {"small": small, "large": large})
        for domain in ("math", "code")
        for number in range(8)
    ]
    config = RunConfig.from_dict(
        {
            "pool": "p",
            "posterior": {
                "type": "bots",
                "implicit": {"type": "interpolation", "weak": "small", "strong": "large"},
            },
        }
    )
    return runs.started(config, runs.table_of(rows))


def training(state: RunState, rates: dict[str, list[float]], seed: int = 1) -> RunState:
    """A commit for each of the rates: four tasks of each domain pass so often, but for what chance does to it."""
    chance = np.random.default_rng(seed)
    for step in range(len(rates["m"])):
        passed = {
            f"{domain}{number}": (float(chance.binomial(8, of[step])), 8)
            for domain, of in rates.items()
            for number in chance.choice(8, 4, replace=False).tolist()
        }
        state = runs.commit(state, passed)
    return state


def test_a_model_that_stands_still_does_not_seem_to_learn():
    # The first commits move the capability from nothing to where the model stands: that is no learning.
    state = training(referenced(0.2, 0.8), {"m": [0.45] * 100, "c": [0.3] * 100})
    learning = said(state)["learning"]
    assert learning.level == "look"
    assert learning.text.startswith("Capability has not clearly moved in ")
    assert learning.text.endswith("0 is the reference `small`, 1 the reference `large`.")
    assert insight(state, 1)["capability_scale"] == "0 is the reference `small`, 1 the reference `large`."


def test_domains_that_go_different_ways_are_told_apart():
    up, down = np.linspace(0.3, 0.7, 100).tolist(), np.linspace(0.7, 0.3, 100).tolist()
    learning = said(training(referenced(0.2, 0.8), {"m": up, "c": down}))["learning"]
    assert learning.level == "look"
    assert learning.text.startswith("Capability rose in `math` (0.")
    assert ", fell in `code` (0." in learning.text
    learning = said(training(referenced(0.2, 0.8), {"m": up, "c": [0.5] * 100}))["learning"]
    assert learning.level == "ok"
    assert ", has not clearly moved in `code` (0." in learning.text


def test_a_model_that_learned_and_then_fell_is_told_so_with_its_steps():
    rates = [*np.linspace(0.3, 0.7, 60).tolist(), *[0.2] * 15, *np.linspace(0.2, 0.45, 25).tolist()]
    learning = said(training(referenced(0.2, 0.8), {"m": rates, "c": [0.5] * 100}))["learning"]
    assert learning.level == "look"
    told = re.search(r"`math` \(\S+ → (\S+) at step (\d+) → \S+\)", learning.text)
    assert told, learning.text
    assert float(told[1]) > 0.6
    assert 55 <= int(told[2]) <= 62
    assert learning.text.count("at step") == 1, "of `code` there is nothing to tell"


@pytest.mark.parametrize("seed", range(5))
def test_a_model_that_stands_still_or_goes_straight_has_not_turned(seed: int):
    straight = np.linspace(0.3, 0.7, 100).tolist()
    state = training(referenced(0.2, 0.8), {"m": [0.45] * 100, "c": straight}, seed)
    assert "at step" not in said(state)["learning"].text


def test_a_domain_that_is_mostly_dropped_starves():
    state = runs.started(CONFIG, TABLE)
    for number in range(20):
        ids = [f"m{number}", f"c{number % 10}", f"c{(number + 1) % 10}", f"c{(number + 2) % 10}"]
        state = fold(state, runs.selected(f"s{number}", ids), TABLE)
        drops = {"type": "dropped", "selection": f"s{number}", "drops": [[1, "timeout"], [2, "timeout"]]}
        state = fold(state, drops, TABLE)
        commit = {
            "type": "committed",
            "selection": f"s{number}",
            "reason": "complete",
            "closes": [f"s{number}"],
        }
        state = fold(state, commit | {"outcomes": {f"s{number}": [[0, 4, 8], [3, 4, 8]]}}, TABLE)
    told = said(state)
    assert told["starving"].level == "look"
    assert told["starving"].text.startswith("Dropped: 67 % of what was handed out of `code`. ")
    assert told["drops"].text.startswith("40 drops (40 in `code`), 50 % of what was handed out;")
    assert insight(state, 1)["domains"]["code"]["selected"] == 60


def test_most_of_what_is_never_selected_is_found_in_its_domain():
    state = commits(
        runs.started(CONFIG, TABLE), 2, dict.fromkeys([f"m{number}" for number in range(25)], 0.5)
    )
    assert said(state)["starving"].text.startswith(
        "15 tasks of 40 (38 %) never selected, 10 of them in `code`, which has 10. "
    )


def test_what_is_expected_of_tasks_that_are_left_alone_is_held_against_what_they_did():
    # Most of `code` is wrongly said to be beyond both references: all that is left as evidence is forgotten.
    rows = [(f"m{n}", "math", {"small": 0.3, "large": 0.7}) for n in range(30)]
    rows += [(f"c{n}", "code", {"small": 0.0, "large": 0.0 if n % 3 else 0.5}) for n in range(30)]
    implicit = {"type": "interpolation", "weak": "small", "strong": "large"}
    posterior = {"type": "bots", "forgetting": 0.2, "implicit_weight": 1.0, "implicit": implicit}
    state = runs.started(RunConfig.from_dict({"pool": "p", "posterior": posterior}), runs.table_of(rows))
    state = commits(state, 2, {f"{kind}{n}": 0.5 for kind in "mc" for n in range(30)})
    state = commits(state, 20, {f"m{n}": 0.5 for n in range(5)})
    honest = said(state)["honest"]
    assert honest.level == "look"
    left = insight(state, 1)["domains"]["code"]["left_alone"]
    assert (left["tasks"], left["passed"]) == (30, 0.5)
    assert left["expected"] < 0.35
    assert honest.text.endswith(
        f"Left alone for half of the run, 30 tasks of `code` are expected to pass {left['expected']:.2f} now; "
        "when they were tried they passed 0.50."
    )
    assert "tasks of `math`" not in honest.text


def test_tasks_that_are_evaluated_are_not_left_alone():
    state = commits(runs.started(CONFIG, TABLE), 2, {f"m{n}": 0.5 for n in range(30)})
    state = commits(state, 20, {"c0": 0.5})
    assert insight(state, 1)["domains"]["math"]["left_alone"]["tasks"] == 30
    rows = [[f"m{n}", 8, 8] for n in range(30)]
    state = fold(state, {"type": "observed", "key": "eval-1", "rows": rows}, TABLE)
    assert insight(state, 1)["domains"]["math"]["left_alone"] is None


def test_what_is_far_from_the_references_is_said_to_be_a_guess():
    state = training(referenced(0.2, 0.25), {"m": [0.5] * 20, "c": [0.8] * 20})
    assert said(state)["learning"].text.endswith("So far from them as in `math`, `code` it is a guess.")


def test_predictions_whose_errors_cancel_out_are_off():
    rows = [
        (f"t{number}", "math", {"small": rate, "large": rate + 0.05})
        for number, rate in enumerate([0.1, 0.85] * 200)
    ]
    config = RunConfig.from_dict(
        {
            "pool": "p",
            "posterior": {
                "type": "bots",
                "implicit_weight": 1.0,
                "implicit": {"type": "interpolation", "weak": "small", "strong": "large"},
            },
        }
    )
    state = runs.started(config, runs.table_of(rows))
    for first in range(0, 400, 40):
        state = commits(state, 1, {f"t{number}": 0.5 for number in range(first, first + 40)})
    honest = said(state)["honest"]
    assert honest.level == "look"
    assert honest.text.startswith("Predictions are off, some too high and some too low. ")


@pytest.mark.parametrize(
    ("rates", "level", "word"),
    [((0.5, 0.5), "look", "moved"), ((0.2, 0.9), "ok", "rose"), ((0.9, 0.2), "look", "fell")],
)
def test_else_by_what_is_expected_over_all_tasks(rates: tuple[float, float], level: str, word: str):
    tasks = [f"m{number}" for number in range(30)]
    state = commits(runs.started(CONFIG, TABLE), 16, dict.fromkeys(tasks, rates[0]))
    assert said(state)["learning"].text.startswith("Too early")
    state = commits(state, 16, dict.fromkeys(tasks, rates[1]))
    learning = said(state)["learning"]
    assert learning.level == level
    assert word in learning.text


def test_what_teaches_nothing_is_told():
    ids = TABLE.ids(np.arange(40))
    state = commits(runs.started(CONFIG, TABLE), 10, dict.fromkeys(ids, 1.0))
    state = commits(state, 10, {**dict.fromkeys(ids, 1.0), **dict.fromkeys(ids[:15], 0.0)})
    told = said(state)
    assert told["informative"].text.startswith(
        "Only 0 % of the groups of the last 20 commits were informative"
    )
    assert (
        told["relapsed"].text == "15 tasks that once passed in every rollout did not when last seen; 25 did."
    )
    state = commits(state, 30, dict.fromkeys(ids, 1.0))
    assert said(state)["used-up"].text.startswith("100 % of the tasks")


def test_drops_are_counted_by_reason():
    state = runs.started(CONFIG, TABLE)
    drops = [[0, "timeout"], [1, "timeout"], *([place, f"reason {place}"] for place in range(2, 40))]
    ids = TABLE.ids(np.arange(40))
    state = fold(state, runs.selected("s", ids), TABLE)
    state = fold(state, {"type": "dropped", "selection": "s", "drops": drops}, TABLE)
    assert state.drops["timeout"] == 2
    assert len(state.drops) == MAX_REASONS + 1
    assert state.drops[OTHER_REASONS] == 40 - MAX_REASONS - 1
    told = said(state)["drops"]
    assert (told.level, told.text[:41]) == ("look", "40 drops, 100 % of what was handed out; t")
    assert told.text.endswith("40 tasks cool down now.")
    assert state.history.visits.of_task(0)[0].kind == "drop"


def test_what_is_left_out_at_the_end_is_a_drop_with_its_own_reason():
    state = fold(runs.started(CONFIG, TABLE), runs.selected("s", ["m0", "m1"]), TABLE)
    commit = {"type": "committed", "selection": "s", "reason": "final", "closes": ["s"]}
    state = fold(state, commit | {"outcomes": {"s": [[0, 4, 8]]}}, TABLE)
    assert state.drops == {LEFT_OUT: 1}
    why = {"type": "dropped", "selection": "s", "drops": [["m1", "timeout"]], "left_out": True}
    state = fold(state, why, TABLE)
    assert (state.drops, state.dropped) == ({"timeout": 1}, 1)
    assert [visit.kind for visit in state.history.visits.of_task(1)] == ["drop"]


def test_what_was_left_out_is_among_other_reasons_where_there_were_many_before():
    drops = {f"reason {number}": 1 for number in range(MAX_REASONS)}
    reasons.count(drops, [LEFT_OUT] * 2)
    assert drops[OTHER_REASONS] == 2
    reasons.explain(drops, ["reason 3"])
    assert (drops["reason 3"], drops[OTHER_REASONS]) == (2, 1)


def test_stale_outcomes_are_told():
    state = runs.started(CONFIG, TABLE)
    for number in range(20):
        name = f"s{number}"
        state = fold(state, runs.selected(name, ["m0"]) | {"policy_version": number + 6}, TABLE)
        row = [0, 4, 8, {"policy_version": number}]
        commit = {"type": "committed", "selection": name, "reason": "complete", "closes": [name]}
        state = fold(state, commit | {"outcomes": {name: [row]}}, TABLE)
    assert "6.0 policy versions behind" in said(state)["stale"].text
    assert insight(state, 1)["points"][0]["behind"] == 6.0


def test_it_is_all_the_same_from_a_snapshot():
    state = commits(runs.started(CONFIG, TABLE), 40, {"m0": 0.0, "m1": 1.0, "c0": 0.5})
    state = fold(state, runs.selected("open", ["m2"]), TABLE)
    again = restored(*taken(state), TABLE)
    assert insight(again, 200) == insight(state, 200)
    for each in (state, again, state.copy()):
        outcomes = {"type": "committed", "selection": "open", "reason": "complete", "closes": ["open"]}
        fold(each, outcomes | {"outcomes": {"open": [[0, 8, 8]]}}, TABLE)
    assert insight(again, 200) == insight(state, 200)
