"""`python -m deploy.make_chart`: the templates of the Helm chart, made of what kustomize makes of k8s/base.

So the two do not differ. What the chart's values say takes the place of what stands in k8s/base.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
TEMPLATES = ROOT / "deploy/helm/bots-selector/templates"
IMAGE = "bots-selector:0.3.0"
HEAD = "{{- /* Made by `python -m deploy.make_chart` of k8s/base: change it there. */ -}}\n"


def manifests(folder: Path) -> list[dict[str, Any]]:
    """What kustomize makes of a folder."""
    kubectl = Path(sys.executable).with_name("kubectl")
    made = subprocess.run([kubectl, "kustomize", folder], check=True, capture_output=True, text=True).stdout  # noqa: S603
    return list(yaml.safe_load_all(made))


def with_values(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest with placeholders, which `template` turns into the chart's values."""
    manifest["metadata"]["namespace"] = "<.Release.Namespace>"
    spec = manifest.get("spec", {})
    if manifest["kind"] == "HorizontalPodAutoscaler":
        spec |= {"minReplicas": "<.Values.replicas.min>", "maxReplicas": "<.Values.replicas.max>"}
    for claim in spec.get("volumeClaimTemplates", []):
        claim["spec"]["resources"]["requests"]["storage"] = "<.Values.redis.storage>"
    for container in containers(spec):
        if container["image"] == IMAGE:
            container["image"] = "<.Values.image>"
    return manifest


def containers(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The containers of a workload, those that run before it too."""
    pod = spec.get("template", {}).get("spec", {})
    yield from [*pod.get("initContainers", []), *pod.get("containers", [])]


def template(folder: Path, condition: str | None = None) -> str:
    """The template of a folder of k8s/base, rendered only under a condition if there is one."""
    texts = [yaml.safe_dump(with_values(each), sort_keys=False, width=120) for each in manifests(folder)]
    text = "---\n".join(texts).replace("<.", "{{ .")
    for name in ("Namespace", "min", "max", "storage", "image"):
        text = text.replace(f"{name}>", f"{name} }}}}")
    return HEAD + (f"{{{{- if {condition} }}}}\n{text}{{{{- end }}}}\n" if condition else text)


def templates() -> dict[str, str]:
    """By file name, all of them that are made."""
    base = ROOT / "k8s/base"
    return {
        "selector.yaml": template(base / "selector"),
        "redis.yaml": template(base / "redis", ".Values.redis.enabled"),
    }


if __name__ == "__main__":
    for name, text in templates().items():
        (TEMPLATES / name).write_text(text)
