"""The manifests of k8s/, in the combinations that clusters hold, and planted mistakes that checks have to find."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy import checks
from tests.deploy.manifests import ROOT, VERSIONS, Manifest, Refused, copy_of_k8s, rendered, validate
from tests.deploy.mistakes import DEV_MISTAKES, MISTAKES, PROD_MISTAKES
from tests.deploy.mistakes.parts import container, part

OVERLAYS = ("dev", "prod", "cluster", "sentinel")
FOLDERS = (*(f"overlays/{overlay}" for overlay in OVERLAYS), "trainer", "reference_eval")
# Trainings and evaluations run beside the selector of an overlay.
CLUSTERS = {overlay: (f"overlays/{overlay}", "trainer", "reference_eval") for overlay in OVERLAYS}


@pytest.fixture(scope="module")
def k8s(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_k8s(tmp_path_factory.mktemp("manifests"))


@pytest.fixture(scope="module")
def manifests(k8s: Path) -> dict[str, list[Manifest]]:
    return {folder: rendered(k8s / folder) for folder in FOLDERS}


@pytest.fixture(scope="module", params=list(CLUSTERS))
def cluster(request: pytest.FixtureRequest, manifests: dict[str, list[Manifest]]) -> list[Manifest]:
    return cluster_of(manifests, request.param)


def cluster_of(manifests: dict[str, list[Manifest]], overlay: str) -> list[Manifest]:
    return [manifest for folder in CLUSTERS[overlay] for manifest in manifests[folder]]


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


@pytest.mark.parametrize(
    ("overlay", "check", "plant", "words"),
    [*(("dev", *each) for each in DEV_MISTAKES), *(("prod", *each) for each in PROD_MISTAKES)],
)
def test_planted_mistakes_of_an_overlay_are_found(
    manifests: dict[str, list[Manifest]],
    overlay: str,
    check: Callable[..., Any],
    plant: Callable[[list[Manifest]], object],
    words: str,
) -> None:
    broken = copy.deepcopy(cluster_of(manifests, overlay))
    plant(broken)
    assert words in "\n".join(check(broken))


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
        ("PrometheusRule", "selector", lambda m: m["spec"]["groups"][0]["rules"][0].pop("expr")),
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


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_without_its_secrets_is_refused(tmp_path: Path, overlay: str) -> None:
    k8s = copy_of_k8s(tmp_path)
    (k8s / f"overlays/{overlay}/secrets/token-admin/token").unlink()
    with pytest.raises(Refused, match="token-admin"):
        rendered(k8s / f"overlays/{overlay}")


def test_the_pod_to_copy_files_by_sees_what_trainings_see(manifests: dict[str, list[Manifest]]) -> None:
    pod = yaml.safe_load((ROOT / "k8s/trainer/files.yaml").read_text())
    for version in VERSIONS:
        validate(pod, version)
    training = container(manifests["trainer"], "Job", "trainer")
    files = pod["spec"]["containers"][0]
    assert files["image"] == training["image"]
    assert files["securityContext"] == training["securityContext"]
    assert all(mount in training["volumeMounts"] for mount in files["volumeMounts"])


def test_the_alerts_of_the_cluster_are_those_of_compose(manifests: dict[str, list[Manifest]]) -> None:
    rule = part(manifests["overlays/prod"], "PrometheusRule", "selector")
    assert rule["spec"] == yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
