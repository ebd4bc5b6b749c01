"""Volumes, and the files in them that containers look for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch

from tests.deploy.manifests import (
    Manifest,
    containers,
    keys,
    names,
    of_kind,
    title,
    variables,
    workloads,
)

FILES_OF = {"secret": ("Secret", "secretName"), "configMap": ("ConfigMap", "name")}
"""Volumes whose files manifests make: the part of a volume, what it names, and where in that part."""


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
            token = endpoint["authorization"]["credentials"]
            if token["key"] not in keys(manifests, "Secret", token["name"]):
                yield f"{title(each)}: the secret of its token is not there, or has no {token['key']}"


def files_are_mounted(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Files that a container is told of are mounted, and of each Secret or ConfigMap it is told a file.

    It is told by variables called _FILE and by the paths in its arguments. A
    path may also lie in a volume where files are written.
    """
    for each, template in workloads(manifests):
        for container in containers(template):
            where = f"{title(each)}: container {container['name']}"
            mounted = _mounted(manifests, template, container)
            files = {f"{folder}/{key}" for folder, held in mounted.items() for key in held or ()}
            told = {str(value) for name, value in variables(container).items() if name.endswith("_FILE")}
            paths = {path for argument in container.get("args", []) for path in paths_in(argument)}
            written = tuple(f"{folder}/" for folder, held in mounted.items() if held is None)
            for path in sorted(told | {path for path in paths if not f"{path}/".startswith(written)}):
                if not any(fnmatch(file, path) for file in files):
                    yield f"{where} looks for {path}, which no mounted Secret or ConfigMap has"
            for folder, held in mounted.items():
                if held is not None and not any(path.startswith(f"{folder}/") for path in told | paths):
                    yield f"{where} is not told of a file in {folder}"


def paths_in(argument: str) -> set[str]:
    """The absolute paths in an argument, or in a script whose first loop goes over words."""
    loop = re.search(r"for (\w+) in ([\w ]+);", argument)
    texts = [argument.replace(f"${loop[1]}", word) for word in loop[2].split()] if loop else [argument]
    return {path for text in texts for path in re.findall(r"(?<![^\s=])/\S+", re.sub(r"[\"';]", "", text))}


def _mounted(
    manifests: Sequence[Manifest], template: Manifest, container: Manifest
) -> dict[str, set[str] | None]:
    """The folders that a container sees: the files that are in one, None where files are written."""
    held: dict[str, set[str] | None] = {}
    for volume in template["spec"].get("volumes", []):
        for part, (kind, name) in FILES_OF.items():
            if part in volume:
                assert set(volume[part]) <= {name, "defaultMode"}, volume
                held[volume["name"]] = keys(manifests, kind, volume[part][name])
    return {mount["mountPath"]: held.get(mount["name"]) for mount in container.get("volumeMounts", [])}
