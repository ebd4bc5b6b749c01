"""Traffic that is not let through, and traffic that is."""

from __future__ import annotations

from tests.deploy import checks
from tests.deploy.mistakes.parts import Mistake, part, remove

MISTAKES: list[Mistake] = [
    (
        checks.only_allowed_traffic_passes,
        lambda c: remove(c, "NetworkPolicy", "default-deny"),
        "prometheus is let in to pod without labels",
    ),
    (
        checks.only_allowed_traffic_passes,
        lambda c: remove(c, "NetworkPolicy", "names"),
        "selector is not let out to names at 53/UDP",
    ),
    (
        checks.only_allowed_traffic_passes,
        lambda c: remove(c, "NetworkPolicy", "selector-to-redis"),
        "selector is not let out to redis",
    ),
    (
        checks.only_allowed_traffic_passes,
        lambda c: remove(c, "NetworkPolicy", "trainers-to-selector"),
        "trainer is not let in to selector at 8000/TCP",
    ),
    (
        checks.only_allowed_traffic_passes,
        lambda c: remove(c, "NetworkPolicy", "selector-for-trainers"),
        "trainer is not let out to selector at 8000/TCP",
    ),
    (
        checks.only_allowed_traffic_passes,
        lambda c: part(c, "NetworkPolicy", "trainers-to-selector")["spec"]["ingress"][0]["from"].append(
            {"podSelector": {}}
        ),
        "pod without labels is let in to selector at 8000/TCP",
    ),
    (
        checks.only_allowed_traffic_passes,
        lambda c: part(c, "NetworkPolicy", "trainers-to-selector")["spec"]["ingress"][0].pop("ports"),
        "trainer is let in to selector at 6379/TCP",
    ),
    (
        checks.only_allowed_traffic_passes,
        lambda c: part(c, "NetworkPolicy", "trainer")["spec"]["egress"][-1].pop("ports"),
        "trainer is let out to internet at 80/TCP",
    ),
    (
        checks.only_allowed_traffic_passes,
        lambda c: part(c, "NetworkPolicy", "trainer")["spec"]["egress"][-1]["to"][0]["ipBlock"].pop("except"),
        "trainer is let out to credentials of the cloud",
    ),
    (
        checks.only_allowed_traffic_passes,
        lambda c: part(c, "Job", "trainer")["spec"]["template"]["metadata"].pop("labels"),
        "trainer is not let in to selector",
    ),
]

DEV_MISTAKES: list[Mistake] = [
    (
        checks.only_allowed_traffic_passes,
        lambda c: remove(c, "NetworkPolicy", "redis-from-selector"),
        "selector is not let in to redis at 6379/TCP",
    ),
    (
        checks.only_allowed_traffic_passes,
        lambda c: part(c, "NetworkPolicy", "redis-from-selector")["spec"]["ingress"][0].pop("from"),
        "trainer is let in to redis at 6379/TCP",
    ),
    (
        checks.only_allowed_traffic_passes,
        lambda c: part(c, "NetworkPolicy", "trainer")["spec"]["egress"].append({}),
        "trainer is let out to redis at 6379/TCP",
    ),
]

PROD_MISTAKES: list[Mistake] = [
    (
        checks.only_allowed_traffic_passes,
        lambda c: remove(c, "NetworkPolicy", "ingress-to-selector"),
        "ingress is not let in to selector at 8000/TCP",
    ),
    (
        checks.only_allowed_traffic_passes,
        lambda c: remove(c, "NetworkPolicy", "ingress-to-acme-solver"),
        "ingress is not let in to solver at 8089/TCP",
    ),
    (
        checks.only_allowed_traffic_passes,
        lambda c: part(c, "NetworkPolicy", "selector-to-redis")["spec"]["egress"][0]["to"].clear(),
        "selector is let out to internet",
    ),
]
