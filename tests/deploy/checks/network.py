"""Who reaches whom, as the NetworkPolicies have it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Any, NamedTuple

from tests.deploy.manifests import (
    SOLVER,
    Manifest,
    container_ports,
    labels_of,
    matches,
    of_kind,
    workloads,
)

TRAINER = {"app.kubernetes.io/component": "trainer"}
EVERY_POD = frozenset({"selector", "redis", "trainer", "reference-eval", "pod without labels", "solver"})
ALLOWED: Mapping[tuple[str, str], frozenset[str]] = {
    ("names", "53/UDP"): EVERY_POD,
    ("names", "53/TCP"): EVERY_POD,
    ("names on the node", "53/UDP"): EVERY_POD,
    ("names on the node", "53/TCP"): EVERY_POD,
    ("selector", "8000/TCP"): frozenset(
        {"trainer", "trainer of an allowed namespace", "prometheus", "ingress"}
    ),
    ("solver", "8089/TCP"): frozenset({"ingress"}),
    ("redis", "6379/TCP"): frozenset({"selector"}),
    ("redis elsewhere", "6379/TCP"): frozenset({"selector"}),
    ("redis elsewhere", "6380/TCP"): frozenset({"selector"}),
    **{
        (whom, f"{port}/TCP"): frozenset({"selector"})
        for whom in ("nodes and sentinels elsewhere", "nodes and sentinels of an allowed namespace")
        for port in (6379, 6380, 26379)
    },
    # HTTPS goes to any address, so also to this one.
    ("redis elsewhere", "443/TCP"): frozenset({"trainer", "reference-eval"}),
    ("nodes and sentinels elsewhere", "443/TCP"): frozenset({"trainer", "reference-eval"}),
    ("internet", "443/TCP"): frozenset({"trainer", "reference-eval"}),
}
"""Who may call whom at which port. All other traffic from or to a pod of ours is refused."""
PORTS = (
    "53/UDP", "53/TCP", "80/TCP", "443/TCP", "6379/TCP", "6380/TCP", "8000/TCP", "8089/TCP", "26379/TCP"
)  # fmt: skip


def _namespace(name: str, **labels: str) -> dict[str, str]:
    return {"kubernetes.io/metadata.name": name, **labels}


OURS = _namespace("bots")


class End(NamedTuple):
    """One end of a connection: a pod, or an address outside the cluster."""

    labels: Mapping[str, str]
    namespace: Mapping[str, str] = OURS
    """The labels of the pod's namespace."""
    ports: Mapping[str, int] = {}
    """Those that have a name."""
    address: str | None = None

    @property
    def is_ours(self) -> bool:
        """Whether our policies apply to it."""
        return self.address is None and self.namespace == OURS


OTHERS = {
    "pod without labels": End({}),
    "names": End({"k8s-app": "kube-dns"}, _namespace("kube-system")),
    "names on the node": End({}, address="169.254.20.10"),
    "prometheus": End({"app.kubernetes.io/name": "prometheus"}, _namespace("monitoring")),
    "pod of another namespace": End({}, _namespace("other")),
    "trainer of another namespace": End(TRAINER, _namespace("other")),
    "trainer of an allowed namespace": End(TRAINER, _namespace("team") | {"bots/trainers": "allowed"}),
    "internet": End({}, address="203.0.113.1"),
    "credentials of the cloud": End({}, address="169.254.169.254"),
}


def only_allowed_traffic_passes(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Each end lets through what `ALLOWED` says, and nothing else: a mistake at one opens nothing."""
    policies = [each["spec"] for each in of_kind(manifests, "NetworkPolicy")]
    ends = OTHERS | dict(_ends(manifests))
    for (who, caller), (whom, called) in product(ends.items(), repeat=2):
        for port in PORTS:
            allowed = who in ALLOWED.get((whom, port), ())
            not_ = "not " if allowed else ""
            if caller.is_ours and _lets(policies, "Egress", caller, called, port) != allowed:
                yield f"{who} is {not_}let out to {whom} at {port}"
            if called.is_ours and _lets(policies, "Ingress", called, caller, port) != allowed:
                yield f"{who} is {not_}let in to {whom} at {port}"


def _ends(manifests: Sequence[Manifest]) -> Iterator[tuple[str, End]]:
    """Those that not every cluster has."""
    for each, template in workloads(manifests):
        yield each["metadata"]["name"], End(labels_of(template), ports=container_ports(template))
    if any("bots/redis" in str(each) for each in of_kind(manifests, "NetworkPolicy")):
        yield "nodes and sentinels elsewhere", End({}, address="10.0.0.1")
        allowed = _namespace("redis") | {"bots/redis": "allowed"}
        yield "nodes and sentinels of an allowed namespace", End({}, allowed)
    elif not any(of_kind(manifests, "StatefulSet")):
        yield "redis elsewhere", End({}, address="10.0.0.1")
    if any(of_kind(manifests, "Ingress")):
        yield "ingress", End({}, _namespace("ingress-nginx"))
        yield "solver", End(SOLVER)


def _lets(policies: Sequence[Manifest], direction: str, own: End, other: End, port: str) -> bool:
    """Whether one of our pods lets a connection out or in: by any of its policies, or because it has none."""
    chosen = [
        spec
        for spec in policies
        if direction in spec["policyTypes"] and matches(spec["podSelector"], own.labels)
    ]
    called, peers = (other, "to") if direction == "Egress" else (own, "from")
    return not chosen or any(
        _is_among(rule.get(peers), other) and _is_port(rule.get("ports"), called, port)
        for spec in chosen
        for rule in spec.get(direction.lower(), [])
    )


def _is_among(peers: Sequence[Mapping[str, Any]] | None, end: End) -> bool:
    """Whether a rule's peers have this end among them; without peers it is for all."""
    return not peers or any(_is_peer(peer, end) for peer in peers)


def _is_peer(peer: Mapping[str, Any], end: End) -> bool:
    """Blocks of addresses are for what is outside the cluster, all else is for pods."""
    if end.address is not None:
        return "ipBlock" in peer and _is_in_block(peer["ipBlock"], end.address)
    if "ipBlock" in peer:
        return False
    chosen = matches(peer["namespaceSelector"], end.namespace) if "namespaceSelector" in peer else end.is_ours
    return chosen and matches(peer.get("podSelector", {}), end.labels)


def _is_in_block(block: Mapping[str, Any], text: str) -> bool:
    address = ip_address(text)
    return address in ip_network(block["cidr"]) and not any(
        address in ip_network(one) for one in block.get("except", [])
    )


def _is_port(ports: Sequence[Mapping[str, Any]] | None, called: End, port: str) -> bool:
    """Whether a rule's ports have this one among them; without ports it is for all."""
    return not ports or any(
        f"{called.ports.get(one['port'], one['port'])}/{one.get('protocol', 'TCP')}" == port for one in ports
    )
