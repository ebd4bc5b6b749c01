"""What of a log a fork takes over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from selector_api.core.config import RunConfig
from selector_api.core.fork import Taken
from selector_api.core.policies import Policy
from selector_api.core.policies.policy import MovingTarget
from selector_api.core.policies.shuffle import Shuffle
from selector_api.core.policies.thompson import Thompson
from tests.core import runs


def test_an_open_selection_is_left_out_unless_something_of_it_was_committed() -> None:
    def part(selection: str, place: int) -> dict[str, Any]:
        commit = {"type": "committed", "selection": selection, "reason": "count", "closes": []}
        return commit | {"outcomes": {selection: [[place, 1, 2]]}}

    log = [
        runs.created(RunConfig("p"), 9),
        runs.selected("a", ["t0", "t1", "t2"]),
        part("a", 0),
        part("a", 2),
        runs.selected("b", ["t3"]),
    ]
    taken = Taken(None)
    for seq, event in enumerate(log, 1):
        taken.read(seq, event)
    assert (taken.has_all(4), taken.has_all(5)) == (True, False)
    (closing,) = taken.closing()
    assert (closing["selection"], closing["entered"]) == ("a", 2)
    assert taken.counts() == (1, 0)


MOVING = Thompson(target=MovingTarget(0.9, 0.1, 40), domains={"default": 1.0})


def read(step: int | None, *log: dict[str, Any]) -> Taken:
    taken = Taken(step)
    for seq, event in enumerate(log, 1):
        taken.read(seq, event)
    return taken


def begins(taken: Taken, policy: Policy) -> tuple[int, ...]:
    return tuple(taken.policy_begins(policy).values())


def test_a_policy_that_the_parent_has_goes_on_and_another_one_begins() -> None:
    def step(name: str) -> list[dict[str, Any]]:
        return [runs.selected(name, ["t0"]), runs.committed(name, {"t0": (1, 2)})]

    start = [runs.created(RunConfig("p"), 9), *step("a"), runs.selected("open", ["t1"])]
    change = {"type": "configured", "policy": RunConfig("p", policy=MOVING).to_dict()["policy"]}
    log = [*start, change, *step("b"), *step("c")]
    assert begins(read(None, *log), MOVING) == (1, 0, 1)  # not the open one, which does not come along
    assert begins(read(2, *log), MOVING) == (1, 0, 1)
    assert begins(read(2, *log), replace(MOVING, target=0.5)) == (2, 0, 1)
    assert begins(read(2, *log), Shuffle()) == (2, 2, 2)
    assert begins(read(1, *log), MOVING) == (1, 0, 1)
    assert begins(read(1, *log), RunConfig("p").policy) == (0, 0, 0)

    first = runs.created(RunConfig("p", policy=MOVING), 9) | {
        "policy_since": 1,
        "selections_before_shares": 1,
    }
    fork_of_a_fork = [first, *step("a"), *step("b"), *step("c")]
    assert begins(read(2, *fork_of_a_fork), MOVING) == (1, 0, 1)
    assert begins(read(0, *fork_of_a_fork), MOVING) == (0, 0, 0)
