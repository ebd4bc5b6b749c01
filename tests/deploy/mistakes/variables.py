"""Variables that the service does not know, or misses."""

from __future__ import annotations

from tests.deploy import checks
from tests.deploy.mistakes.parts import Mistake, admission, container, env, part, pods

MISTAKES: list[Mistake] = [
    (
        checks.variables_are_settings,
        lambda c: env(c, "SELECTOR_REDIS", "redis://"),
        "SELECTOR_REDIS is no setting",
    ),
    (
        checks.variables_are_settings,
        lambda c: env(c, "SELECTOR_PORT", "tcp://10.0.0.1:8000"),
        "valid integer",
    ),
    (
        checks.variables_are_settings,
        lambda c: env(c, "SELECTOR_TOKEN_FILE", "/token"),
        "in no mounted folder",
    ),
    (
        checks.variables_are_settings,
        lambda c: pods(c, "Deployment", "selector").pop("enableServiceLinks"),
        "enableServiceLinks",
    ),
    (
        checks.variables_are_settings,
        lambda c: part(c, "Job", "reference-eval")["spec"].update(completions=16),
        "JOB_COMPLETIONS is 8 where completions are 16",
    ),
    (
        checks.selectors_know_their_redis,
        lambda c: container(c)["env"].pop(0),
        "container selector has no SELECTOR_REDIS_URL_FILE",
    ),
    (
        checks.selectors_know_their_redis,
        lambda c: admission(c)["env"].pop(0),
        "container tokens has no SELECTOR_REDIS_URL_FILE",
    ),
]
