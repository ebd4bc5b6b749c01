"""What hypothesis calls the service with."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.promises.pair import REPLICAS
from tests.promises.rows import Counts, Drop, Rewards

replicas = st.sampled_from(REPLICAS)
picks = st.integers(0, 1000)
"""Taken modulo the number of things there are to pick from."""
some = st.lists(picks, min_size=1, max_size=4)
batch_sizes = st.integers(1, 6) | st.just(100)
leases = st.none() | st.sampled_from([60.0, 7200.5])
rewards = st.sampled_from([0.0, 0.5, 1.0])
outcomes = st.builds(
    lambda quarters, trials: Counts(trials * quarters / 4, trials),
    st.integers(0, 4),
    st.sampled_from([1, 2, 16]),
) | st.builds(Rewards, st.tuples(rewards, rewards) | st.tuples(rewards))
"""Some have the same sum and are informative or not."""
values = outcomes | st.builds(Drop, st.sampled_from(["timeout", "broken"]))
reports = st.lists(st.tuples(picks, values), min_size=1, max_size=6)
reports_without_selection = st.lists(st.tuples(picks, outcomes), min_size=1, max_size=6)
report_keys = st.sampled_from(["a", "b", "key-0"])
rates = st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0])
new_tasks = st.lists(st.tuples(st.sampled_from([None, "math", "code"]), rates, rates), min_size=1, max_size=5)
policies = st.sampled_from(
    [
        {"type": "thompson"},
        {"type": "thompson", "exploration": 0.5},
        {"type": "posterior-mean", "temperature": 0.1},
        {"type": "shuffle"},
        {"type": "sequential"},
    ]
)
IMPLICIT = {"type": "interpolation", "weak": "weak", "strong": "strong"}
posteriors = st.builds(
    lambda posterior, implicit: {
        "type": "bots",
        **posterior,
        "implicit": IMPLICIT if implicit else {"type": "none"},
    },
    st.sampled_from(
        [
            {"prior": [1.0, 1.0], "forgetting": 0.1, "implicit_weight": 0.1, "rollouts": 16},
            {"prior": [2.0, 0.5], "forgetting": 0.0, "implicit_weight": 1.0, "rollouts": 4},
            {"prior": [1.0, 3.0], "forgetting": 1.0, "implicit_weight": 0.5, "rollouts": 16},
        ]
    ),
    st.sampled_from([IMPLICIT, {"type": "none"}]),
)
changes = {
    "policy": policies,
    "lease_seconds": st.sampled_from([600.0, 3600.0]),
    "share_leased": st.booleans(),
    "commit": st.sampled_from(["selection", {"outcomes": 1}, {"outcomes": 3}, {"outcomes": 5}]),
}
"""What may change while a run goes on."""
configs = st.fixed_dictionaries({"posterior": posteriors}, optional=changes)
patches = st.fixed_dictionaries({}, optional=changes).filter(bool)
