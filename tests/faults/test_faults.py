"""Every acknowledged outcome counts once, whatever fails: real processes, a bounded set of faults.

`make test-faults` injects a thousand, mixed at random.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import pytest

from tests.faults.model import violations
from tests.faults.scenario import run_scenario
from tests.faults.system import NETWORK, PROCESSES, System
from tests.faults.workers import truth

SEED = int(os.environ.get("BOTS_FAULTS_SEED", "1"))
MANY = int(os.environ.get("BOTS_FAULTS", "0"))
"""How many the long one injects; without it, it is skipped."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("system")).running() as running:
        yield running


def evenly(kinds: Sequence[str]) -> list[tuple[str, float]]:
    return [(kind, 1.0) for kind in kinds]


@pytest.mark.parametrize(
    ("kinds", "faults"),
    [(evenly(NETWORK), 40), (evenly(PROCESSES), 4), ([("failover", 1.0)], 3), ([("redis full", 1.0)], 3)],
    ids=["network", "processes", "failover", "memory"],
)
def test_what_is_acknowledged_counts_once(
    system: System, request: pytest.FixtureRequest, kinds: list[tuple[str, float]], faults: int
) -> None:
    figures = run_scenario(system, request.node.callspec.id, kinds, faults, SEED)
    print(figures)
    assert figures["acknowledged"] > 0


@pytest.mark.skipif(not MANY, reason="it takes minutes: make test-faults")
@pytest.mark.timeout(3600)
def test_many_faults_mixed_at_random(system: System) -> None:
    kinds = [(kind, 10.0) for kind in NETWORK]
    kinds += [(kind, weight) for kind, weight in zip(PROCESSES, (0.2, 1.0, 0.6, 1.0), strict=True)]
    kinds += [("failover", 1.5), ("redis full", 0.6)]
    figures = run_scenario(system, "many", kinds, MANY, SEED)
    print(figures)
    assert figures["rewound"] > 0


SELECTED = {"type": "selected", "at": 1, "selection": "s", "tasks": ["a", "b"]}


def committed(at: int, rows: object, **more: object) -> dict[str, object]:
    return {"type": "committed", "at": at, "outcomes": rows, "key": None, **more}


def test_the_model_finds_what_is_planted() -> None:
    seen, other = list(truth("s", "a")), list(truth("s", "b"))
    sent = {("s", "a"), ("s", "b")}
    good = [SELECTED, committed(2, {"s": [[0, *seen]]}), committed(3, [["b", *other]], key="s")]
    assert violations(good, sent, sent) == []
    assert violations(good[:2], sent, sent) == ["lost: ('s', 'b')"]
    assert violations([*good, good[2]], sent, sent) == ["counted 2 times: ('s', 'b')"]
    assert violations(good, {("s", "a")}, set()) == ["nobody sent: ('s', 'b')"]
    assert violations([SELECTED, committed(0, {"s": [[0, *seen]]})], sent, set()) == [
        "time goes back behind event 1"
    ]
    wrong = [SELECTED, committed(2, {"s": [[0, 17, 17]]})]
    assert violations(wrong, sent, set()) == ["other values: ('s', 'a') (17, 17)"]
