"""What no schema knows: that the manifests of a cluster agree with each other and with the service.

A check takes all manifests of a cluster and gives what is wrong, a line each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic import ValidationError
from starlette.routing import Route

from selector_api.settings import Settings
from selector_api.web.auth import needed_scope
from selector_api.web.routes import service

from .manifests import (
    Manifest,
    container_ports,
    containers,
    labels_of,
    matches,
    names,
    of_kind,
    title,
    workloads,
)

CLIENT_VARIABLES = frozenset({"SELECTOR_TOKEN", "SELECTOR_TOKEN_FILE"})
"""What trainer_client reads; all others of the prefix are fields of Settings."""
DRAIN_SECONDS = 20
"""For which the service goes on with what is at work; selector_api/web/serve.py."""
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
UNITS = {"": 1, "m": Decimal("0.001"), "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
PINNED = re.compile(
    r".+:(?=.*\d)(?!latest)[\w][\w.-]*\.[\w.-]+(@sha256:[0-9a-f]{64})?|.+@sha256:[0-9a-f]{64}"
)


def selectors_match_labels(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Whatever chooses by labels finds something, and a workload finds its own pods."""
    pods = [labels_of(template) for _, template in workloads(manifests)]
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
    """Services, policies, probes, the ingress and the monitor name ports that exist."""
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
        fewest[target["name"]] = each["spec"]["minReplicas"]
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


def mounts_have_volumes(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Every mount has a volume, every volume a mount and a source that is there; accounts are there too."""
    sources = {
        ("secret", "secretName"): names(manifests, "Secret"),
        ("configMap", "name"): names(manifests, "ConfigMap"),
        ("persistentVolumeClaim", "claimName"): names(manifests, "PersistentVolumeClaim"),
    }
    for each, template in workloads(manifests):
        volumes = {volume["name"]: volume for volume in template["spec"].get("volumes", [])}
        claims = {claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", [])}
        mounted = {mount["name"] for one in containers(template) for mount in one.get("volumeMounts", [])}
        for name in sorted(mounted - set(volumes) - claims):
            yield f"{title(each)}: {name} is mounted and is no volume"
        for name in sorted((set(volumes) | claims) - mounted):
            yield f"{title(each)}: the volume {name} is mounted nowhere"
        for volume in volumes.values():
            for (kind, key), there in sources.items():
                if kind in volume and volume[kind][key] not in there:
                    yield f"{title(each)}: volume {volume['name']}: there is no {kind} {volume[kind][key]}"
        if template["spec"].get("serviceAccountName") not in names(manifests, "ServiceAccount"):
            yield f"{title(each)}: its service account is not there"
    for each in of_kind(manifests, "ServiceMonitor"):
        for endpoint in each["spec"]["endpoints"]:
            if endpoint["authorization"]["credentials"]["name"] not in names(manifests, "Secret"):
                yield f"{title(each)}: the secret of its token is not there"


def requests_are_within_limits(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Every container says what it needs and how much memory it may have at most."""
    for each, template in workloads(manifests):
        for container in containers(template):
            where = f"{title(each)}: container {container['name']}"
            requests = container.get("resources", {}).get("requests", {})
            limits = container.get("resources", {}).get("limits", {})
            if not {"cpu", "memory"} <= set(requests) or "memory" not in limits:
                yield f"{where} has no requests of cpu and memory, or no limit of memory"
            for name in sorted(set(requests) & set(limits)):
                if quantity(requests[name]) > quantity(limits[name]):
                    yield f"{where} requests {requests[name]} of {name} and may have {limits[name]}"


def probes_hit_routes(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Probes and monitors ask what the service answers, and probes without a token."""
    routes = {route.path for route in service.router.routes if isinstance(route, Route)}
    for each, template in workloads(manifests):
        for container in containers(template):
            for probe in PROBES:
                path = container.get(probe, {}).get("httpGet", {}).get("path")
                if path is not None and (path not in routes or needed_scope("GET", path) is not None):
                    yield f"{title(each)}: {probe} asks {path}, which is no open route"
                if probe == "livenessProbe" and path == "/readyz":
                    yield f"{title(each)}: {probe} asks Redis by {path}"
    for each in of_kind(manifests, "ServiceMonitor"):
        for endpoint in each["spec"]["endpoints"]:
            if endpoint["path"] not in routes:
                yield f"{title(each)}: {endpoint['path']} is no route"


def variables_are_settings(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Variables are settings of the service, with values that it takes, and secrets come from mounted files."""
    for each, template in workloads(manifests):
        if template["spec"].get("enableServiceLinks", True):
            yield f"{title(each)}: enableServiceLinks would set SELECTOR_PORT to the Service's address"
        for container in containers(template):
            where = f"{title(each)}: container {container['name']}"
            given = {one["name"]: one.get("value") for one in container.get("env", [])}
            mounts = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
            yield from (f"{where}: {problem}" for problem in wrong_variables(given, mounts))
        count = each["spec"].get("completions")
        given = {one["name"]: one.get("value") for one in template["spec"]["containers"][0].get("env", [])}
        if each["spec"].get("completionMode") == "Indexed" and given.get("JOB_COMPLETIONS") != str(count):
            yield f"{title(each)}: JOB_COMPLETIONS is {given.get('JOB_COMPLETIONS')} where completions are {count}"


def images_are_pinned(manifests: Sequence[Manifest]) -> Iterator[str]:
    """No image may change under its name by more than a patch."""
    for each, template in workloads(manifests):
        for container in containers(template):
            if not is_pinned(container["image"]):
                yield f"{title(each)}: the image {container['image']} is not pinned"


def pods_are_restricted(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Pods have no rights: not root, no capabilities, nothing to write to but volumes, no token of Kubernetes."""
    for each, template in workloads(manifests):
        spec = template["spec"]
        pod = spec.get("securityContext", {})
        if not pod.get("runAsNonRoot") or pod.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{title(each)}: its securityContext is not restricted"
        if spec.get("automountServiceAccountToken", True):
            yield f"{title(each)}: it gets a token of Kubernetes"
        for container in containers(template):
            own = container.get("securityContext", {})
            restricted = {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            if own != restricted:
                yield f"{title(each)}: the securityContext of {container['name']} is not restricted"


def pods_end_in_time(manifests: Sequence[Manifest]) -> Iterator[str]:
    """A service has time to be forgotten by those who call it, and then to end what is at work."""
    for each in of_kind(manifests, "Deployment"):
        spec = each["spec"]["template"]["spec"]
        for container in spec["containers"]:
            command = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
            if command[:1] != ["sleep"]:
                yield f"{title(each)}: no preStop sleeps, so a pod that goes refuses its last calls"
            elif int(command[1]) + DRAIN_SECONDS >= spec["terminationGracePeriodSeconds"]:
                yield f"{title(each)}: it is killed before preStop and draining end"


CHECKS = (
    selectors_match_labels,
    ports_are_there,
    targets_are_there,
    mounts_have_volumes,
    requests_are_within_limits,
    probes_hit_routes,
    variables_are_settings,
    images_are_pinned,
    pods_are_restricted,
    pods_end_in_time,
)


def quantity(text: str) -> Decimal:
    """A quantity of Kubernetes, such as 250m or 2Gi, as a number."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(\w*)", text)
    assert match, text
    return Decimal(match[1]) * UNITS[match[2]]


def is_pinned(image: str) -> bool:
    """Whether an image's name says its version, at least major and minor."""
    return PINNED.fullmatch(image) is not None


def wrong_variables(given: Mapping[str, str | None], mounts: Sequence[str]) -> Iterator[str]:
    """What is wrong with a container's environment, of which `mounts` are the folders that are mounted."""
    values: dict[str, Any] = {}
    for name, value in given.items():
        if not name.startswith("SELECTOR_"):
            continue
        if name.endswith("_FILE") and not any((value or "").startswith(f"{mount}/") for mount in mounts):
            yield f"{name} is {value!r}, which is in no mounted folder"
        if name in CLIENT_VARIABLES:
            continue
        field = name.removeprefix("SELECTOR_").lower()
        if field not in Settings.model_fields:
            yield f"{name} is no setting"
        elif field != "redis_url_file":
            values[field] = value
    try:
        Settings(**values)
    except ValidationError as error:
        yield str(error)


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
