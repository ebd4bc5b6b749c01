"""What a manifest names in another is there: by labels, by port, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.deploy.checks.probes import PROBES
from tests.deploy.manifests import (
    SOLVER,
    Manifest,
    container_ports,
    containers,
    labels_of,
    matches,
    of_kind,
    title,
    workloads,
)


def selectors_match_labels(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Whatever chooses by labels finds something, and a workload finds its own pods."""
    pods = [SOLVER, *(labels_of(template) for _, template in workloads(manifests))]
    for each, template in workloads(manifests):
        if "selector" in each["spec"] and not matches(each["spec"]["selector"], labels_of(template)):
            yield f"{title(each)}: its selector does not choose its own pods"
        for spread in template["spec"].get("topologySpreadConstraints", []):
            if not matches(spread["labelSelector"], labels_of(template)):
                yield f"{title(each)}: a topologySpreadConstraint counts other pods"
    for each in of_kind(manifests, "Service"):
        if not any(matches({"matchLabels": each["spec"]["selector"]}, labels) for labels in pods):
            yield f"{title(each)}: no pod has the labels of its selector"
    for each in of_kind(manifests, "PodDisruptionBudget"):
        if not any(matches(each["spec"]["selector"], labels) for labels in pods):
            yield f"{title(each)}: no pod has the labels of its selector"
    for each in of_kind(manifests, "NetworkPolicy"):
        for selector in _pod_selectors(each):
            if not any(matches(selector, labels) for labels in pods):
                yield f"{title(each)}: no pod has the labels {selector}"
    for each in of_kind(manifests, "ServiceMonitor"):
        if not any(
            matches(each["spec"]["selector"], labels_of(one)) for one in of_kind(manifests, "Service")
        ):
            yield f"{title(each)}: no Service has the labels of its selector"


def ports_are_there(manifests: Sequence[Manifest]) -> Iterator[str]:
    """AppState, policies, probes, the ingress and the monitor name ports that exist."""
    for each, template in workloads(manifests):
        for container in containers(template):
            own = {port["name"] for port in container.get("ports", [])}
            for probe in PROBES:
                check = container.get(probe, {})
                port = check.get("httpGet", check.get("tcpSocket", {})).get("port")
                if port is not None and port not in own:
                    yield f"{title(each)}: {probe} asks port {port!r}, the container has {sorted(own)}"
    for each in of_kind(manifests, "Service"):
        for _, template in workloads(manifests):
            if matches({"matchLabels": each["spec"]["selector"]}, labels_of(template)):
                known = container_ports(template)
                for port in each["spec"]["ports"]:
                    if not _is_port(port["targetPort"], known):
                        yield f"{title(each)}: targetPort {port['targetPort']!r} is none of {known}"
    services = {
        each["metadata"]["name"]: {port["name"] for port in each["spec"]["ports"]}
        for each in of_kind(manifests, "Service")
    }
    for each in of_kind(manifests, "Ingress"):
        for rule in each["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                if backend["port"]["name"] not in services.get(backend["name"], ()):
                    yield f"{title(each)}: there is no Service {backend}"
    for each in of_kind(manifests, "ServiceMonitor"):
        for endpoint in each["spec"]["endpoints"]:
            if not any(endpoint["port"] in ports for ports in services.values()):
                yield f"{title(each)}: no Service has a port {endpoint['port']!r}"
    for each in of_kind(manifests, "NetworkPolicy"):
        yield from _policy_ports(each, manifests)


def targets_are_there(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Autoscalers have something to scale, whose use can be measured, and budgets let nodes be drained."""
    fewest: dict[str, int] = {}
    for each in of_kind(manifests, "HorizontalPodAutoscaler"):
        target = each["spec"]["scaleTargetRef"]
        found = [
            one for one in of_kind(manifests, target["kind"]) if one["metadata"]["name"] == target["name"]
        ]
        if not found:
            yield f"{title(each)}: there is no {target['kind']} {target['name']}"
            continue
        fewest[target["name"]] = each["spec"].get("minReplicas", 1)
        if fewest[target["name"]] < 2:
            yield f"{title(each)}: minReplicas is not two, so one pod that ends is all that there is"
        if "replicas" in found[0]["spec"]:
            yield f"{title(each)}: {title(found[0])} also says how many replicas there are"
        for metric in each["spec"]["metrics"]:
            name = metric["resource"]["name"]
            for container in found[0]["spec"]["template"]["spec"]["containers"]:
                if name not in container["resources"]["requests"]:
                    yield f"{title(each)}: container {container['name']} requests no {name} to measure by"
    for each in of_kind(manifests, "PodDisruptionBudget"):
        for workload, template in workloads(manifests):
            if matches(each["spec"]["selector"], labels_of(template)):
                pods = fewest.get(workload["metadata"]["name"], workload["spec"].get("replicas", 1))
                if each["spec"].get("maxUnavailable", pods - each["spec"].get("minAvailable", 0)) < 1:
                    yield f"{title(each)}: with {pods} pods of {title(workload)} no node can be drained"


def _pod_selectors(policy: Manifest) -> Iterator[Mapping[str, Any]]:
    spec = policy["spec"]
    yield spec["podSelector"]
    for direction, end in (("ingress", "from"), ("egress", "to")):
        for rule in spec.get(direction, []):
            for peer in rule.get(end, []):
                if "podSelector" in peer and "namespaceSelector" not in peer:
                    yield peer["podSelector"]


def _policy_ports(policy: Manifest, manifests: Sequence[Manifest]) -> Iterator[str]:
    """The ports of a policy that no pod at their receiving end has."""
    spec = policy["spec"]
    rules = [(spec["podSelector"], rule.get("ports", [])) for rule in spec.get("ingress", [])]
    rules += [
        (peer["podSelector"], rule.get("ports", []))
        for rule in spec.get("egress", [])
        for peer in rule.get("to", [])
        if "podSelector" in peer and "namespaceSelector" not in peer
    ]
    for selector, ports in rules:
        for _, template in workloads(manifests):
            known = container_ports(template)
            if matches(selector, labels_of(template)):
                for port in ports:
                    if not _is_port(port["port"], known):
                        yield f"{title(policy)}: port {port['port']!r} is none of {known}"


def _is_port(port: str | int, known: Mapping[str, int]) -> bool:
    return port in known or port in known.values()
