"""Whether a Kubernetes cluster has what k8s/ needs, as far as kubectl tells."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selector_api.store.health import Finding

OLDEST_SERVER, OLDEST_CLIENT = (1, 29), (1, 27)
ENFORCING = ("antrea", "calico", "canal", "cilium", "kube-router", "ovn", "weave")
"""Parts of the names of DaemonSets that enforce NetworkPolicies."""
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
BY_HAND = "kubernetes.io/no-provisioner"
"""The provisioner of a StorageClass for which nothing makes volumes."""
SECONDS = "10s"


class NoAnswer(Exception):
    """kubectl did not tell."""


def findings() -> Iterator[Finding]:
    """What is found out, until there is nothing to ask."""
    from selector_api.store.health import Finding

    try:
        versions = _kubectl("version")
    except NoAnswer as error:
        yield Finding("wrong", str(error))
        return
    for whose, oldest in (("client", OLDEST_CLIENT), ("server", OLDEST_SERVER)):
        yield _version(whose, versions.get(f"{whose}Version", {}).get("gitVersion", ""), oldest)
    for look in (_storage, _scaling, _network, _prometheus):
        try:
            yield look()
        except NoAnswer as error:
            yield Finding("note", f"{error}: look yourself")


def _version(whose: str, version: str, oldest: tuple[int, int]) -> Finding:
    from selector_api.store.health import Finding

    what = "kubectl" if whose == "client" else "Kubernetes"
    found = re.match(r"v(\d+)\.(\d+)", version)
    if found is None:
        return Finding("wrong", f"the version of {what} is not told")
    if tuple(map(int, found.groups())) < oldest:
        return Finding("wrong", f"{what} is {version}: {oldest[0]}.{oldest[1]} or later is needed")
    return Finding("ok", f"{what} {version}")


def _storage() -> Finding:
    from selector_api.store.health import Finding

    classes = _kubectl("get", "storageclass")["items"]
    for each in classes:
        if each["metadata"].get("annotations", {}).get(DEFAULT_CLASS) == "true":
            words = f"the default StorageClass is {each['metadata']['name']} ({each['provisioner']})"
            if each["provisioner"] == BY_HAND:
                return Finding(
                    "note",
                    f"{words}: claims wait until somebody has made volumes of it",
                )
            return Finding(
                "ok", f"{words}; k8s/reference_eval needs one whose volumes several nodes can mount"
            )
    names = ", ".join(each["metadata"]["name"] for each in classes) or "none"
    return Finding("wrong", f"there is no default StorageClass, volumes stay Pending; there are: {names}")


def _scaling() -> Finding:
    from selector_api.store.health import Finding

    if "v1beta1.metrics.k8s.io" in _names("apiservice"):
        return Finding("ok", "there is a metrics-server: replicas follow the load")
    return Finding("note", "there is no metrics-server: there are two replicas and no more")


def _network() -> Finding:
    from selector_api.store.health import Finding

    sets = _names("daemonset", "--all-namespaces")
    found = sorted(name for name in sets if any(part in name for part in ENFORCING))
    if found:
        return Finding("ok", f"NetworkPolicies are enforced, by {found[0]}")
    return Finding("note", "no CNI that enforces NetworkPolicies is known by its name: see that yours does")


def _prometheus() -> Finding:
    from selector_api.store.health import Finding

    if "v1.monitoring.coreos.com" in _names("apiservice"):
        return Finding("ok", "there is a Prometheus operator")
    return Finding(
        "note", "there is no Prometheus operator: leave components/prometheus out of k8s/overlays/prod"
    )


def _names(kind: str, *options: str) -> set[str]:
    return {each["metadata"]["name"] for each in _kubectl("get", kind, *options)["items"]}


def _kubectl(*arguments: str) -> Any:
    command = ["kubectl", f"--request-timeout={SECONDS}", *arguments, "--output", "json"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise NoAnswer(f"kubectl cannot be started: {error.strerror or error}") from error
    if ended.returncode:
        complaint = ended.stderr.strip().splitlines()[-1:] or [f"it ended with {ended.returncode}"]
        raise NoAnswer(f"kubectl {' '.join(arguments[:2])}: {complaint[0]}")
    return json.loads(ended.stdout)
