"""Parts of a cluster's manifests, to change them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.deploy.manifests import Manifest

Mistake = tuple[Callable[..., Any], Callable[[list[Manifest]], object], str]
"""The check that finds it, what makes it, and words of the complaint."""


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


def admission(cluster: list[Manifest]) -> Manifest:
    """The container that lets the tokens in before the selector starts."""
    return pods(cluster, "Deployment", "selector")["initContainers"][0]


def mount(container: Manifest, name: str) -> Manifest:
    (found,) = (each for each in container["volumeMounts"] if each["name"] == name)
    return found


def endpoint(cluster: list[Manifest]) -> Manifest:
    return part(cluster, "ServiceMonitor", "selector")["spec"]["endpoints"][0]
