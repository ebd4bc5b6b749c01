"""Names that lead nowhere."""

from __future__ import annotations

from tests.deploy import checks
from tests.deploy.mistakes.parts import Mistake, container, endpoint, part, pods

MISTAKES: list[Mistake] = [
    (
        checks.selectors_match_labels,
        lambda c: part(c, "Deployment", "selector")["spec"]["selector"].update(matchLabels={"a": "b"}),
        "does not choose its own pods",
    ),
    (
        checks.selectors_match_labels,
        lambda c: pods(c, "Deployment", "selector")["topologySpreadConstraints"][0].update(
            labelSelector={"matchLabels": {"a": "b"}}
        ),
        "counts other pods",
    ),
    (
        checks.selectors_match_labels,
        lambda c: part(c, "Service", "selector")["spec"].update(selector={"a": "b"}),
        "Service selector: no pod",
    ),
    (
        checks.selectors_match_labels,
        lambda c: part(c, "PodDisruptionBudget", "selector")["spec"].update(
            selector={"matchLabels": {"a": "b"}}
        ),
        "PodDisruptionBudget selector: no pod",
    ),
    (
        checks.selectors_match_labels,
        lambda c: part(c, "NetworkPolicy", "trainers-to-selector")["spec"]["ingress"][0]["from"][0].update(
            podSelector={"matchLabels": {"a": "b"}}
        ),
        "NetworkPolicy trainers-to-selector: no pod",
    ),
    (
        checks.ports_are_there,
        lambda c: part(c, "Service", "selector")["spec"]["ports"][0].update(targetPort=8001),
        "targetPort 8001",
    ),
    (
        checks.ports_are_there,
        lambda c: container(c)["readinessProbe"]["httpGet"].update(port="web"),
        "readinessProbe asks port 'web'",
    ),
    (
        checks.ports_are_there,
        lambda c: part(c, "NetworkPolicy", "trainers-to-selector")["spec"]["ingress"][0]["ports"][0].update(
            port=80
        ),
        "port 80 is none of",
    ),
    (
        checks.ports_are_there,
        lambda c: part(c, "NetworkPolicy", "selector-for-trainers")["spec"]["egress"][0]["ports"][0].update(
            port=80
        ),
        "port 80 is none of",
    ),
    (
        checks.targets_are_there,
        lambda c: part(c, "HorizontalPodAutoscaler", "selector")["spec"]["scaleTargetRef"].update(
            name="other"
        ),
        "there is no Deployment other",
    ),
    (
        checks.targets_are_there,
        lambda c: part(c, "Deployment", "selector")["spec"].update(replicas=2),
        "also says how many replicas",
    ),
    (
        checks.targets_are_there,
        lambda c: container(c)["resources"]["requests"].pop("cpu"),
        "requests no cpu to measure by",
    ),
    (
        checks.targets_are_there,
        lambda c: part(c, "PodDisruptionBudget", "selector")["spec"].update(maxUnavailable=0),
        "no node can be drained",
    ),
    (
        checks.targets_are_there,
        lambda c: part(c, "HorizontalPodAutoscaler", "selector")["spec"].update(minReplicas=1),
        "minReplicas is not two",
    ),
]

PROD_MISTAKES: list[Mistake] = [
    (
        checks.ports_are_there,
        lambda c: part(c, "Ingress", "selector")["spec"]["rules"][0]["http"]["paths"][0]["backend"][
            "service"
        ].update(port={"name": "web"}),
        "Ingress selector: there is no Service",
    ),
    (
        checks.ports_are_there,
        lambda c: endpoint(c).update(port="metrics"),
        "ServiceMonitor selector: no Service has a port 'metrics'",
    ),
    (
        checks.selectors_match_labels,
        lambda c: part(c, "ServiceMonitor", "selector")["spec"].update(selector={"matchLabels": {"a": "b"}}),
        "no Service has the labels",
    ),
]
