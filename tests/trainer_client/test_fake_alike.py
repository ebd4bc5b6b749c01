"""Whatever is called, the fake answers as the service does: trainings made of random calls, by seeds.

Both draw by chance, so a call names a task by its place in a selection; what follows from which tasks were drawn is
not compared.
"""

import random
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.trainer_client.test_fake_log import log_of, without_chance
from trainer_client import FakeSelector

SESSION = uuid4().hex[:8]
BY_CHANCE = {"selection", "tasks", "expires_at", "differing_tasks", "predicted", "explain"}
BY_CHANCE |= {"capability", "never_selected", "calibration", "references"}
COMMITS: list[Any] = ["selection", {"outcomes": 1}, {"outcomes": 2}, {"outcomes": 5}]
REWARDS: list[Any] = [None, {"type": "range", "min": -1, "max": 1}, {"type": "threshold", "pass_at": 0.5}]


class Both:
    """The fake and the service, a run that both have, and its selections: of each the id and the tasks."""

    def __init__(self, real: httpx.Client, run: str) -> None:
        fake = httpx.Client(base_url="http://selector", transport=FakeSelector().transport)
        self.sides = (fake, real)
        self.run = run
        self.selections: list[list[tuple[str, list[str]]]] = []
        self.calls: list[Any] = []

    def call(self, method: str, path: str | tuple[str, ...], body: Any = None) -> list[Any]:
        """Make a call of both; what they answer, which is alike. A tuple has the path or the body for each."""
        self.calls.append((method, path, body))
        paths = path if isinstance(path, tuple) else (path, path)
        bodies = body if isinstance(body, tuple) else (body, body)
        mine, theirs = (
            side.request(method, path, json=body)
            for side, path, body in zip(self.sides, paths, bodies, strict=True)
        )
        assert mine.status_code == theirs.status_code, (mine.text, theirs.text, self.calls)
        answers = [mine.json(), theirs.json()]
        if mine.is_error:
            answers = [answer["code"] for answer in answers]
        assert alike(*answers), (*answers, self.calls)
        return answers if mine.is_success else []

    def select(self, **asked: Any) -> None:
        """Ask for a selection."""
        if answers := self.call("POST", "/select", {"run": self.run, **asked}):
            self.selections.append([(answer["selection"], answer["tasks"]) for answer in answers])

    def report(self, number: int, told: list[tuple[int, dict[str, Any]]], **more: Any) -> None:
        """Tell something of tasks, by their places, of a selection."""
        bodies = tuple(
            {
                "run": self.run,
                "selection": selection,
                "outcomes": [{"task": tasks[place], **seen} for place, seen in told],
                **more,
            }
            for selection, tasks in self.selections[number]
        )
        self.call("POST", "/report", bodies)


def alike(one: Any, other: Any) -> bool:
    """Whether two answers are the same, but for what is by chance and how numbers are summed."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = (one.keys() | other.keys()) - BY_CHANCE
        return all(name in one and name in other and alike(one[name], other[name]) for name in names)
    return one == (pytest.approx(other) if isinstance(other, float) else other)


def seen(chance: random.Random) -> dict[str, Any]:
    """What came of a task."""
    match chance.randrange(4):
        case 0:
            return {"dropped": chance.choice(["timeout", "too long"])}
        case 1:
            return {"successes": chance.randint(0, 2), "trials": 2}
        case 2:
            return {"reward": chance.choice([0, 1, 0.5])}
        case _:
            return {"rewards": chance.choices([0, 1, 0.5], k=3)}


def go_on(both: Both, chance: random.Random) -> None:
    """One call of a training, whichever."""
    number = chance.randrange(len(both.selections))
    size = len(both.selections[number][0][1])
    version = {"policy_version": chance.randint(0, 5)} if chance.random() < 0.2 else {}
    match chance.randrange(12):
        case 0 | 1 | 2:
            key = {"key": chance.choice("abc")} if chance.random() < 0.4 else {}
            both.select(batch_size=chance.randint(1, 4), **key, **version)
        case 3:
            how, body = chance.choice([("renew", {"seconds": 60}), ("release", {})])
            ids = (selection for selection, _ in both.selections[number])
            both.call("POST", tuple(f"/runs/{both.run}/selections/{each}/{how}" for each in ids), body)
        case 4:
            outcomes = [
                {"task": f"task-{chance.randrange(4)}", "successes": 1, "trials": chance.randint(1, 2)}
            ]
            body = {"run": both.run, "selection": None, "key": chance.choice("ab"), "outcomes": outcomes}
            both.call("POST", "/report", body | ({"evaluation": True} if chance.random() < 0.5 else {}))
        case 5:
            part = chance.choice(["commit", "lease_seconds", "share_leased"])
            of_part = {"commit": COMMITS, "lease_seconds": [600, 700], "share_leased": [True]}
            both.call("PATCH", f"/runs/{both.run}", {part: chance.choice(of_part[part])})
        case _:
            told = [(chance.randrange(size), seen(chance)) for _ in range(chance.randint(0, size))]
            both.report(number, told, final=chance.random() < 0.25, **version)


@pytest.fixture(scope="module")
def real(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=request.getfixturevalue("service_url"), timeout=30) as real:
        yield real


@pytest.mark.parametrize("seed", range(16))
def test_random_calls_are_answered_alike(real: httpx.Client, seed: int):
    chance = random.Random(seed)
    both = Both(real, f"alike-{SESSION}-{seed}")
    both.call("PUT", f"/pools/{both.run}")
    tasks = [{"id": f"task-{number}"} for number in range(chance.choice([4, 8, 15]))]
    both.call("POST", f"/pools/{both.run}/tasks", tasks)
    config = {"pool": both.run, "commit": chance.choice(COMMITS), "rewards": chance.choice(REWARDS)}
    config |= {"share_leased": chance.random() < 0.3}
    config = {name: value for name, value in config.items() if value is not None}
    both.call("PUT", f"/runs/{both.run}", config)
    both.select(batch_size=3)
    for _ in range(40):
        go_on(both, chance)
    both.call("GET", f"/runs/{both.run}")
    mine, theirs = (without_chance(log_of(side, both.run)) for side in both.sides)
    assert mine == theirs, both.calls
