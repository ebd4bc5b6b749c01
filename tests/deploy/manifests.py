"""What kustomize makes of k8s/, and its parts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from deploy.make_secrets import make_secrets

ROOT = Path(__file__).parents[2]
VERSIONS = ("1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
SCHEMAS = Path(__file__).parent / "schemas"
SOLVER = {"acme.cert-manager.io/http01-solver": "true"}
"""Labels of pods that no manifest has: cert-manager starts them to prove that a host is ours."""

Manifest = dict[str, Any]


class Refused(Exception):
    """A tool's word that something is wrong."""


def run_tool(
    name: str, *arguments: str | Path, cwd: Path = ROOT, environment: Mapping[str, str] | None = None
) -> str:
    """What a tool of this Python environment writes. Raises `Refused` with its complaint."""
    command = [str(Path(sys.executable).with_name(name)), *map(str, arguments)]
    ended = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise Refused(ended.stdout + ended.stderr)
    return ended.stdout


def with_mistake(file: Path, before: str, after: str) -> str:
    """A file's text with something in it, which has to be there, replaced."""
    text = file.read_text()
    assert before in text
    return text.replace(before, after)


def copy_of_k8s(folder: Path) -> Path:
    """A copy of k8s/ with secrets made for each overlay, as its first lines say."""
    copy = folder / "k8s"
    shutil.copytree(ROOT / "k8s", copy, ignore=shutil.ignore_patterns("secrets"))
    for overlay in (copy / "overlays").iterdir():
        make_secrets(overlay / "secrets")
    return copy


def rendered(folder: Path) -> list[Manifest]:
    """The manifests of a kustomization. Raises `Refused`."""
    return list(yaml.safe_load_all(run_tool("kubectl", "kustomize", folder)))


def validate(manifest: Manifest, version: str) -> None:
    """Hold a manifest against the schema of its kind. Raises `Refused` also for kinds without one."""
    group, _, api_version = manifest["apiVersion"].rpartition("/")
    own = SCHEMAS / f"{manifest['kind'].lower()}-{group.split('.')[0]}-{api_version}.json"
    try:
        if own.exists():
            jsonschema.validate(manifest, json.loads(own.read_text()))
        else:
            kubernetes_validate.validate(manifest, version, strict=True)
    except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as error:
        raise Refused(f"{title(manifest)}: {error.message}") from error
    except kubernetes_validate.SchemaNotFoundError as error:
        raise Refused(error.message) from error


def title(manifest: Manifest) -> str:
    """Kind and name."""
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def of_kind(manifests: Sequence[Manifest], *kinds: str) -> Iterator[Manifest]:
    """Those of these kinds."""
    return (each for each in manifests if each["kind"] in kinds)


def names(manifests: Sequence[Manifest], kind: str) -> set[str]:
    """The names of those of a kind."""
    return {each["metadata"]["name"] for each in of_kind(manifests, kind)}


def keys(manifests: Sequence[Manifest], kind: str, name: str) -> set[str]:
    """The keys of a Secret or ConfigMap that hold something; none if it is not there."""
    return {
        key
        for each in of_kind(manifests, kind)
        if each["metadata"]["name"] == name
        for part in ("data", "stringData", "binaryData")
        for key, value in each.get(part, {}).items()
        if value
    }


def workloads(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """What has pods, each with the template of its pods."""
    for each in of_kind(manifests, "Deployment", "StatefulSet", "Job"):
        yield each, each["spec"]["template"]


def containers(template: Manifest) -> list[Manifest]:
    """The containers of a pod, those that run before it too."""
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def variables(container: Manifest) -> dict[str, str | None]:
    """The environment that a container is given; None where a value comes from elsewhere."""
    return {one["name"]: one.get("value") for one in container.get("env", [])}


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector chooses what has these labels. Knows matchLabels only."""
    assert set(selector) <= {"matchLabels"}, selector
    return selector.get("matchLabels", {}).items() <= labels.items()


def labels_of(manifest: Manifest) -> dict[str, str]:
    """Labels of a manifest or of a pod's template."""
    return manifest["metadata"].get("labels", {})


def container_ports(template: Manifest) -> dict[str, int]:
    """The ports of a pod by name."""
    return {
        port["name"]: port["containerPort"]
        for container in containers(template)
        for port in container.get("ports", [])
    }
