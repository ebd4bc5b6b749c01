"""The manifests of k8s/, in the combinations that clusters hold, and planted mistakes that checks have to find."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from . import checks
from .manifests import VERSIONS, Manifest, Refused, copy_of_k8s, rendered, validate

FOLDERS = ("overlays/dev", "overlays/prod", "trainer", "reference_eval")
# Trainings and evaluations run beside the selector of an overlay.
CLUSTERS = {overlay: (f"overlays/{overlay}", "trainer", "reference_eval") for overlay in ("dev", "prod")}


@pytest.fixture(scope="module")
def k8s(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_k8s(tmp_path_factory.mktemp("manifests"))


@pytest.fixture(scope="module")
def manifests(k8s: Path) -> dict[str, list[Manifest]]:
    return {folder: rendered(k8s / folder) for folder in FOLDERS}


@pytest.fixture(scope="module", params=list(CLUSTERS))
def cluster(request: pytest.FixtureRequest, manifests: dict[str, list[Manifest]]) -> list[Manifest]:
    return [manifest for folder in CLUSTERS[request.param] for manifest in manifests[folder]]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_kubernetes_takes_them(manifests: dict[str, list[Manifest]], folder: str, version: str) -> None:
    for manifest in manifests[folder]:
        validate(manifest, version)
        assert manifest["kind"] == "Namespace" or manifest["metadata"]["namespace"] == "bots"


@pytest.mark.parametrize("check", checks.CHECKS)
def test_they_agree_with_each_other_and_with_the_service(
    check: Callable[..., Any], cluster: list[Manifest]
) -> None:
    assert list(check(cluster)) == []


def part(cluster: list[Manifest], kind: str, name: str) -> Manifest:
    """The one of this kind and name, the pods' part of it where it has pods."""
    (found,) = (each for each in cluster if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found


def pods(cluster: list[Manifest], kind: str, name: str) -> Manifest:
    return part(cluster, kind, name)["spec"]["template"]["spec"]


def container(cluster: list[Manifest], kind: str = "Deployment", name: str = "selector") -> Manifest:
    return pods(cluster, kind, name)["containers"][0]


def remove(cluster: list[Manifest], kind: str, name: str) -> None:
    cluster.remove(part(cluster, kind, name))


def env(cluster: list[Manifest], name: str, value: str) -> None:
    container(cluster)["env"].append({"name": name, "value": value})


MISTAKES: list[tuple[Callable[..., Any], Callable[[list[Manifest]], object], str]] = [
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
        lambda c: part(c, "NetworkPolicy", "trainer")["spec"]["egress"][0]["ports"][0].update(port=80),
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
        checks.mounts_have_volumes,
        lambda c: pods(c, "Deployment", "selector")["volumes"].pop(0),
        "is no volume",
    ),
    (
        checks.mounts_have_volumes,
        lambda c: container(c, "Job", "trainer")["volumeMounts"].pop(),
        "shared-memory is mounted nowhere",
    ),
    (checks.mounts_have_volumes, lambda c: remove(c, "Secret", "token-admin"), "no secret token-admin"),
    (
        checks.mounts_have_volumes,
        lambda c: remove(c, "PersistentVolumeClaim", "trainings"),
        "no persistentVolumeClaim trainings",
    ),
    (
        checks.mounts_have_volumes,
        lambda c: remove(c, "ServiceAccount", "selector"),
        "service account is not there",
    ),
    (
        checks.requests_are_within_limits,
        lambda c: container(c)["resources"]["requests"].update(memory="8Gi"),
        "requests 8Gi of memory",
    ),
    (checks.requests_are_within_limits, lambda c: container(c).pop("resources"), "no limit of memory"),
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
    (checks.images_are_pinned, lambda c: container(c).update(image="bots-selector"), "not pinned"),
    (checks.images_are_pinned, lambda c: container(c).update(image="bots-selector:latest"), "not pinned"),
    (checks.images_are_pinned, lambda c: container(c).update(image="redis:7"), "not pinned"),
    (
        checks.pods_are_restricted,
        lambda c: pods(c, "Job", "trainer")["securityContext"].pop("runAsNonRoot"),
        "securityContext is not restricted",
    ),
    (
        checks.pods_are_restricted,
        lambda c: container(c)["securityContext"].update(readOnlyRootFilesystem=False),
        "securityContext of selector",
    ),
    (
        checks.pods_are_restricted,
        lambda c: pods(c, "Job", "trainer").pop("automountServiceAccountToken"),
        "token of Kubernetes",
    ),
    (checks.pods_end_in_time, lambda c: container(c).pop("lifecycle"), "no preStop sleeps"),
    (
        checks.pods_end_in_time,
        lambda c: pods(c, "Deployment", "selector").update(terminationGracePeriodSeconds=30),
        "killed before",
    ),
]


@pytest.mark.parametrize(("check", "plant", "words"), MISTAKES)
def test_planted_mistakes_are_found(
    cluster: list[Manifest],
    check: Callable[..., Any],
    plant: Callable[[list[Manifest]], object],
    words: str,
) -> None:
    # No YAML anchor is left in what kustomize writes, so nothing that is changed here is shared.
    broken = copy.deepcopy(cluster)
    plant(broken)
    assert words in "\n".join(check(broken))


def test_planted_mistakes_of_the_overlay_for_production_are_found(
    manifests: dict[str, list[Manifest]],
) -> None:
    broken = copy.deepcopy(manifests["overlays/prod"])
    backend = part(broken, "Ingress", "selector")["spec"]["rules"][0]["http"]["paths"][0]["backend"]
    backend["service"]["port"]["name"] = "web"
    endpoint = part(broken, "ServiceMonitor", "selector")["spec"]["endpoints"][0]
    endpoint["port"] = "metrics"
    ports = "\n".join(checks.ports_are_there(broken))
    assert "Ingress selector: there is no Service" in ports
    assert "ServiceMonitor selector: no Service has a port 'metrics'" in ports
    endpoint["path"] = "/metricz"
    assert list(checks.probes_hit_routes(broken)) == ["ServiceMonitor selector: /metricz is no route"]
    endpoint["authorization"]["credentials"]["name"] = "other"
    assert "secret of its token" in "\n".join(checks.mounts_have_volumes(broken))
    part(broken, "ServiceMonitor", "selector")["spec"]["selector"]["matchLabels"] = {"a": "b"}
    assert "no Service has the labels" in "\n".join(checks.selectors_match_labels(broken))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("kind", "name", "plant"),
    [
        ("Deployment", "selector", lambda m: m["spec"].update(replica=2)),
        ("Deployment", "selector", lambda m: m["spec"]["template"]["spec"]["containers"][0].update(image=7)),
        ("HorizontalPodAutoscaler", "selector", lambda m: m.update(apiVersion="autoscaling/v2beta2")),
        ("NetworkPolicy", "default-deny", lambda m: m["spec"].update(podSelector=[])),
        ("ServiceMonitor", "selector", lambda m: m["spec"]["endpoints"][0].update(interval=15)),
        ("ServiceMonitor", "selector", lambda m: m["spec"]["endpoints"][0].update(prot="http")),
        ("ServiceMonitor", "selector", lambda m: m.update(kind="PodMonitor")),
    ],
)
def test_what_kubernetes_would_not_take_is_found(
    manifests: dict[str, list[Manifest]],
    kind: str,
    name: str,
    plant: Callable[[Manifest], object],
    version: str,
) -> None:
    broken = copy.deepcopy(part(manifests["overlays/prod"], kind, name))
    plant(broken)
    with pytest.raises(Refused):
        validate(broken, version)


def test_kustomize_refuses_what_is_not_there(tmp_path: Path) -> None:
    k8s = copy_of_k8s(tmp_path)
    (k8s / "base/selector/service.yaml").unlink()
    with pytest.raises(Refused, match=r"service\.yaml"):
        rendered(k8s / "overlays/dev")


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_an_overlay_without_its_secrets_is_refused(tmp_path: Path, overlay: str) -> None:
    k8s = copy_of_k8s(tmp_path)
    (k8s / f"overlays/{overlay}/secrets/token-admin/token").unlink()
    with pytest.raises(Refused, match="token-admin"):
        rendered(k8s / f"overlays/{overlay}")
