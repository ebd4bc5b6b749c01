"""p* of a domain: its own, fixed or moving, or that of the policy."""

from __future__ import annotations

import numpy as np

from selector_api.core.config import RunChange, RunConfig
from selector_api.core.fold import fold
from selector_api.core.policies import PosteriorMean
from selector_api.core.policies.policy import DomainPart, MovingTarget
from selector_api.core.posteriors.bots import Bots
from selector_api.core.select import select
from selector_api.core.state import RunState
from tests.core import runs

RATES = (0.1, 0.3, 0.5, 0.7, 0.9)


def reported_run(policy: PosteriorMean) -> RunState:
    """Five tasks of each of two domains, whose means are `RATES`."""
    rows = [(f"{domain}{rate}", domain, {}) for domain in ("code", "math") for rate in RATES]
    config = RunConfig("pool", 2, Bots(prior=(1e-9, 1e-9), forgetting=0.0), policy=policy)
    state = runs.started(config, runs.table_of(rows))
    return runs.commit(state, {name: (100 * float(name[4:]), 100) for name, _, _ in rows})


def drawn(state: RunState) -> list[str]:
    return state.table.ids(select(state, 2).tasks)


def test_a_domain_with_a_target_of_its_own_has_that() -> None:
    domains = {"code": 0.5, "math": DomainPart(0.5, target=0.9)}
    assert drawn(reported_run(PosteriorMean(target=0.3, domains=domains))) == ["code0.3", "math0.9"]


def test_a_moving_target_of_a_domain_begins_when_the_policy_is_set_and_stays_at_its_end() -> None:
    state = reported_run(PosteriorMean(target=0.5))
    moving = DomainPart(0.5, MovingTarget(0.9, 0.5, 2))
    change = RunChange(
        policy=PosteriorMean(target=MovingTarget(0.1, 0.3, 1), domains={"code": 0.5, "math": moving})
    )
    state = fold(state, {"type": "configured", **change.to_dict()}, state.table)
    seen: list[list[str]] = []
    for number in range(4):
        seen.append(drawn(state))
        state = runs.commit(state, {name: (100 * float(name[4:]), 100) for name in seen[-1]}, f"s{number}")
    assert seen == [
        ["code0.1", "math0.9"],
        ["code0.3", "math0.7"],
        ["code0.3", "math0.5"],
        ["code0.3", "math0.5"],
    ]
    np.testing.assert_allclose(select(state, 2).scores, [0.3, 0.5])
