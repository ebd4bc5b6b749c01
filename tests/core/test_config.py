from __future__ import annotations

import pytest

from selector_api.core.config import RunConfig, completed
from selector_api.core.policies import Sequential, Thompson
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Interpolation


@pytest.mark.parametrize(
    "config",
    [
        RunConfig("p"),
        RunConfig(
            "p",
            posterior=Bots(implicit=Interpolation("w", "s")),
            policy=Thompson(domains={"a": 1.0}, target=0.4),
        ),
        RunConfig("p", seed=2**63 - 1, policy=Sequential(), lease_seconds=0.5, share_leased=True),
    ],
)
def test_a_configuration_survives_its_json(config):
    assert RunConfig.from_dict(config.to_dict()) == config


def test_absent_fields_take_the_defaults_of_the_paper_s_run():
    config = RunConfig.from_dict({"pool": "p"})
    assert config == RunConfig("p")
    assert config.to_dict() == {
        "pool": "p",
        "seed": 0,
        "posterior": {
            "type": "bots",
            "prior": [1.0, 1.0],
            "forgetting": 0.1,
            "implicit_weight": 0.1,
            "rollouts": 16,
            "implicit": {"type": "none"},
        },
        "policy": {"type": "thompson", "target": 0.5, "temperature": 0.0, "exploration": 0.0},
        "rewards": {"type": "range", "min": 0.0, "max": 1.0},
        "commit": "selection",
        "lease_seconds": 3600.0,
        "share_leased": False,
    }


def test_unknown_fields_and_types_are_refused():
    with pytest.raises(TypeError):
        RunConfig.from_dict({"pool": "p", "policy": {"type": "random", "target": 0.5}})
    with pytest.raises(KeyError):
        RunConfig.from_dict({"pool": "p", "policy": {"type": "oracle"}})


def test_a_body_without_a_policy_gets_the_one_that_its_posterior_goes_with(monkeypatch):
    monkeypatch.setattr(Bots, "default_policy", "signal")
    assert completed({"pool": "p", "posterior": {"type": "bots"}})["policy"] == {"type": "signal"}
    named = {"pool": "p", "posterior": {"type": "bots"}, "policy": {"type": "random"}}
    assert completed(named) == named
    for values in (
        {"pool": "p"},
        {"pool": "p", "posterior": {"type": ["bots"]}},
        {"pool": "p", "posterior": 1},
    ):
        assert completed(values) == values
