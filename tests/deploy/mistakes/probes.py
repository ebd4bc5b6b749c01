"""Probes and monitors that ask the wrong thing, or nothing."""

from __future__ import annotations

from tests.deploy import checks
from tests.deploy.mistakes.parts import Mistake, container, endpoint

MISTAKES: list[Mistake] = [
    (checks.services_are_probed, lambda c: container(c).pop("startupProbe"), "has no startupProbe"),
    (checks.services_are_probed, lambda c: container(c).pop("livenessProbe"), "has no livenessProbe"),
    (checks.services_are_probed, lambda c: container(c).pop("readinessProbe"), "has no readinessProbe"),
    (
        checks.probes_hit_routes,
        lambda c: container(c)["livenessProbe"]["httpGet"].update(path="/health"),
        "/health, which is no open route",
    ),
    (
        checks.probes_hit_routes,
        lambda c: container(c)["readinessProbe"]["httpGet"].update(path="/metrics"),
        "/metrics, which is no open route",
    ),
    (
        checks.probes_hit_routes,
        lambda c: container(c)["livenessProbe"]["httpGet"].update(path="/readyz"),
        "asks Redis",
    ),
]

DEV_MISTAKES: list[Mistake] = [
    (
        checks.services_are_probed,
        lambda c: container(c, "StatefulSet", "redis").pop("livenessProbe"),
        "container redis has no livenessProbe",
    ),
]

PROD_MISTAKES: list[Mistake] = [
    (
        checks.probes_hit_routes,
        lambda c: endpoint(c).update(path="/metricz"),
        "ServiceMonitor selector: /metricz is no route",
    ),
]
