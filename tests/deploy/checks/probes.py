"""Probes and monitors, held against the routes of the service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from selector_api.web.calls import CallRoute
from selector_api.web.routes import operations
from tests.deploy.manifests import Manifest, containers, of_kind, title, workloads

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
CALLS = {route.path: route.call for route in operations.router.routes if isinstance(route, CallRoute)}


def services_are_probed(manifests: Sequence[Manifest]) -> Iterator[str]:
    """What serves has all probes: without them calls go to pods that cannot answer, and those stay that hang."""
    for each in of_kind(manifests, "Deployment", "StatefulSet"):
        for container in each["spec"]["template"]["spec"]["containers"]:
            for probe in PROBES:
                if probe not in container:
                    yield f"{title(each)}: container {container['name']} has no {probe}"


def probes_hit_routes(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Probes and monitors ask what the service answers, and probes without a token."""
    for each, template in workloads(manifests):
        for container in containers(template):
            for probe in PROBES:
                path = container.get(probe, {}).get("httpGet", {}).get("path")
                if path is not None and not is_open_route(path):
                    yield f"{title(each)}: {probe} asks {path}, which is no open route"
                if probe == "livenessProbe" and path == "/readyz":
                    yield f"{title(each)}: {probe} asks Redis by {path}"
    for each in of_kind(manifests, "ServiceMonitor"):
        for endpoint in each["spec"]["endpoints"]:
            if endpoint["path"] not in CALLS:
                yield f"{title(each)}: {endpoint['path']} is no route"


def is_open_route(path: str) -> bool:
    """Whether the service answers this path without a token."""
    return path in CALLS and CALLS[path].scope is None
