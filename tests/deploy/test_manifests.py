"""The manifests of k8s/, in the combinations that clusters hold, and planted mistakes that checks have to find."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.command_line.failures import INTERRUPTED, MISTAKE, TERMINATED
from tests.deploy import checks
from tests.deploy.manifests import (
    ROOT,
    VERSIONS,
    Manifest,
    Refused,
    copy_of_k8s,
    of_kind,
    rendered,
    validate,
    with_mistake,
)
from tests.deploy.mistakes import DEV_MISTAKES, MISTAKES, PROD_MISTAKES
from tests.deploy.mistakes.parts import part

OVERLAYS = ("dev", "prod", "cluster", "sentinel")
FOLDERS = (*(f"overlays/{overlay}" for overlay in OVERLAYS), "trainer", "reference_eval")
# Trainings and evaluations run beside the selector of an overlay.
CLUSTERS = {overlay: (f"overlays/{overlay}", "trainer", "reference_eval") for overlay in OVERLAYS}
# Applied by themselves, since what deletes a kustomization shall not delete them.
APART = ("namespace.yaml", "trainer/volume.yaml", "reference_eval/volume.yaml")
FILES = ("trainer/files.yaml", "reference_eval/files.yaml")
KEEP_DATA = {"whenDeleted": "Retain", "whenScaled": "Retain"}


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
    of_folders = [manifest for folder in CLUSTERS[overlay] for manifest in manifests[folder]]
    return [*map(read, APART), *of_folders]


def read(file: str) -> Manifest:
    return yaml.safe_load((ROOT / "k8s" / file).read_text())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_kubernetes_takes_them(manifests: dict[str, list[Manifest]], folder: str, version: str) -> None:
    for manifest in manifests[folder]:
        validate(manifest, version)
        assert manifest["kind"] == "Namespace" or manifest["metadata"]["namespace"] == "bots"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", [*APART, *FILES])
def test_kubernetes_takes_what_is_applied_by_itself(file: str, version: str) -> None:
    manifest = read(file)
    validate(manifest, version)
    assert manifest["kind"] == "Namespace" or manifest["metadata"]["namespace"] == "bots"


@pytest.mark.parametrize("folder", FOLDERS)
def test_data_outlive_what_deletes_a_kustomization(manifests: dict[str, list[Manifest]], folder: str) -> None:
    assert not list(of_kind(manifests[folder], "Namespace", "PersistentVolumeClaim", "PersistentVolume"))
    for each in of_kind(manifests[folder], "StatefulSet"):
        assert each["spec"]["persistentVolumeClaimRetentionPolicy"] == KEEP_DATA


def test_jobs_are_not_tried_again_after_a_mistake_nor_given_up_after_sigterm(
    manifests: dict[str, list[Manifest]],
) -> None:
    for folder, ended in (("trainer", TERMINATED), ("reference_eval", INTERRUPTED)):
        (job,) = of_kind(manifests[folder], "Job")
        by_code = {
            code: rule["action"]
            for rule in job["spec"]["podFailurePolicy"]["rules"]
            if "onExitCodes" in rule
            for code in rule["onExitCodes"]["values"]
        }
        assert by_code == {MISTAKE: "FailJob", ended: "Ignore"}


def test_there_is_a_way_in_that_outlasts_rollouts(k8s: Path) -> None:
    overlay = k8s / "overlays/dev"
    text = (overlay / "kustomization.yaml").read_text()
    here = "# components:\n#   - ../../components/node-port\n"
    (overlay / "kustomization.yaml").write_text(
        with_mistake(overlay / "kustomization.yaml", here, here.replace("# ", "").replace("#", ""))
    )
    try:
        found = rendered(overlay)
    finally:
        (overlay / "kustomization.yaml").write_text(text)
    service = part(found, "Service", "selector-outside")
    assert service["spec"]["ports"][0]["nodePort"] == 30800
    assert service["spec"]["selector"] == part(found, "Service", "selector")["spec"]["selector"]
    for version in VERSIONS:
        validate(service, version)


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


@pytest.mark.parametrize("folder", ["trainer", "reference_eval"])
def test_the_pod_to_copy_files_by_sees_what_jobs_see(
    manifests: dict[str, list[Manifest]], folder: str
) -> None:
    pod, claim = read(f"{folder}/files.yaml"), read(f"{folder}/volume.yaml")["metadata"]["name"]
    (job,) = of_kind(manifests[folder], "Job")
    of_job = job["spec"]["template"]["spec"]["containers"][0]
    files = pod["spec"]["containers"][0]
    assert files["image"] == of_job["image"]
    assert files["securityContext"] == of_job["securityContext"]
    of_claim = [mount for mount in of_job["volumeMounts"] if mount["name"] == claim]
    assert files["volumeMounts"] == of_claim
    assert pod["spec"]["volumes"] == [{"name": claim, "persistentVolumeClaim": {"claimName": claim}}]


@pytest.mark.parametrize("folder", ["trainer", "reference_eval"])
def test_the_pod_to_copy_files_by_ends_at_once(folder: str) -> None:
    """Its command as the first process of a container, which has no signal handlers but its own."""
    command = read(f"{folder}/files.yaml")["spec"]["containers"][0]["command"]
    assert command[:2] == ["sh", "-c"]
    assert command[2].startswith("trap 'exit 0' TERM;")
    process = subprocess.Popen(
        [*command[:2], f"{command[2].replace('sleep', 'echo ready; sleep', 1)}"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.terminate()
    assert process.wait(timeout=10) == 0
    process.stdout.close()


def test_the_alerts_of_the_cluster_are_those_of_compose(manifests: dict[str, list[Manifest]]) -> None:
    rule = part(manifests["overlays/prod"], "PrometheusRule", "selector")
    assert rule["spec"] == yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
