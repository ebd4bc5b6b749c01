"""What each pod promises by itself: what it takes, what it may do, and how it ends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

from selector_api.web.serve import _SHUTDOWN_SECONDS as ENDING_SECONDS
from tests.deploy.manifests import Manifest, containers, of_kind, title, variables, workloads

UNITS = {"": 1, "m": Decimal("0.001"), "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
UNITS_OF_REDIS = {"": 1, "kb": 2**10, "mb": 2**20, "gb": 2**30}
MOST_FOR_DATA = Decimal("0.7")
"""Of Redis' memory. The rest is for what maxmemory leaves out: buffers, fragments, pages that a rewrite copies."""
PINNED = re.compile(
    r".+:(?=.*\d)(?!latest)[\w][\w.-]*\.[\w.-]+(@sha256:[0-9a-f]{64})?|.+@sha256:[0-9a-f]{64}"
)


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


def redis_fits_into_its_memory(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Redis refuses what it has no room for, as `noeviction` says, before the kernel kills it."""
    for each, template in workloads(manifests):
        for container in containers(template):
            program, *arguments = container.get("args") or [""]
            if program != "redis-server":
                continue
            most = dict(zip(arguments[::2], arguments[1::2], strict=True)).get("--maxmemory", "0")
            limit = container.get("resources", {}).get("limits", {}).get("memory", "0")
            if not 0 < _bytes_of_redis(most) <= MOST_FOR_DATA * quantity(limit):
                yield f"{title(each)}: --maxmemory is {most} (0: no limit) where the container may have {limit}"


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


def admins_are_gone_when_work_begins(manifests: Sequence[Manifest]) -> Iterator[str]:
    """What may execute what a model writes, and whoever can take over a selector, finds no token of an admin."""
    for each, template in workloads(manifests):
        volumes = {
            volume["name"]
            for volume in template["spec"].get("volumes", [])
            if volume.get("secret", {}).get("secretName") == "token-admin"
        }
        for container in template["spec"]["containers"]:
            if volumes & {mount["name"] for mount in container.get("volumeMounts", [])}:
                yield f"{title(each)}: container {container['name']} has the admin's token"


def pods_end_in_time(manifests: Sequence[Manifest]) -> Iterator[str]:
    """A service has time to be forgotten by those who call it, and then to end what is at work."""
    for each in of_kind(manifests, "Deployment"):
        spec = each["spec"]["template"]["spec"]
        for container in spec["containers"]:
            command = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
            if command[:1] != ["sleep"]:
                yield f"{title(each)}: no preStop sleeps, so a pod that goes refuses its last calls"
                continue
            drain = float(variables(container).get("SELECTOR_DRAIN_SECONDS") or 0)
            needed = float(command[1]) + drain + ENDING_SECONDS
            if needed >= spec["terminationGracePeriodSeconds"]:
                yield f"{title(each)}: it is killed before preStop, draining and what is at work end: {needed:g} s"


def quantity(text: str) -> Decimal:
    """A quantity of Kubernetes, such as 250m or 2Gi, as a number."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(\w*)", text)
    assert match, text
    return Decimal(match[1]) * UNITS[match[2]]


def is_pinned(image: str) -> bool:
    """Whether an image's name says its version, at least major and minor."""
    return PINNED.fullmatch(image) is not None


def _bytes_of_redis(text: str) -> int:
    match = re.fullmatch(r"(\d+)(\w*)", text)
    assert match, text
    return int(match[1]) * UNITS_OF_REDIS[match[2].lower()]
