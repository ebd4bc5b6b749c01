"""Programs of calls, lease ends and crashes, made by hypothesis, against a plain model of the contract."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.promises.machine import Contract
from tests.promises.pair import Pair

PROGRAMS = 8
CALLS = 60


@pytest.mark.parametrize("number", range(PROGRAMS), ids=lambda number: f"seed {number}")
def test_any_program_of_calls_and_crashes_keeps_the_contract(pair: Pair, number: int):
    class Program(Contract):
        pass

    Program.pair = pair
    run_state_machine_as_test(
        seed(number)(Program),
        settings=settings(
            max_examples=2,  # the first that hypothesis makes is the simplest, which does next to nothing
            stateful_step_count=CALLS,
            database=None,
            phases=[Phase.generate],  # making a failing program smaller takes many minutes of restarts
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
