"""`bots doctor`, on a data folder, on a Redis that is away, and on clusters that a stand-in of kubectl tells of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bots.conftest import Bots
from tests.service import Service

KUBECTL = """\
#!/bin/sh
shift
case "$1 $2" in
{cases}
*) echo "error: the server does not know $2" >&2; exit 1 ;;
esac
"""


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Any:
    import logging

    yield
    logging.disable(logging.NOTSET)


def test_a_running_service_is_in_order(bots: Bots, service: Service) -> None:
    result = bots("doctor", "--data-dir", service.data_dir)
    assert result.exit_code == 0, result.output
    assert "Valkey" in result.stdout
    assert "GB free" in result.stdout
    assert all(line.startswith(("ok     ", "note   ")) for line in result.stdout.splitlines())


def test_a_redis_that_is_away_is_wrong_and_no_data_are_not(bots: Bots, tmp_path: Path) -> None:
    away = bots("doctor", "--redis-url", "redis://127.0.0.1:1/0")
    assert away.exit_code == 1
    assert "wrong  Redis is not available" in away.stdout
    assert away.stderr == "1 thing is wrong\n"
    nothing = bots("doctor", "--data-dir", tmp_path / "none")
    assert nothing.exit_code == 0
    assert "there are no data" in nothing.stdout
    assert not (tmp_path / "none").exists()
    assert bots("doctor", "--redis-url", "http://host").exit_code == 2


def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **answers: Any) -> None:
    """A kubectl that gives these answers."""
    cases = []
    for number, (name, answer) in enumerate(answers.items()):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(answer))
        words = "version --output" if name == "version" else f"get {name}"
        cases.append(f'"{words}") cat {file} ;;')
    (tmp_path / "kubectl").write_text(KUBECTL.format(cases="\n".join(cases)))
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")


def named(*names: str) -> dict[str, Any]:
    return {"items": [{"metadata": {"name": name}} for name in names]}


def default_class(provisioner: str) -> dict[str, Any]:
    metadata = {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}, "name": "fast"}
    return {"items": [{"metadata": metadata, "provisioner": provisioner}]}


def test_a_cluster_that_has_all(bots: Bots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster(
        tmp_path,
        monkeypatch,
        version={"clientVersion": {"gitVersion": "v1.27.3"}, "serverVersion": {"gitVersion": "v1.33.1+k3s1"}},
        storageclass=default_class("csi"),
        apiservice=named("v1beta1.metrics.k8s.io", "v1.monitoring.coreos.com"),
        daemonset=named("kube-proxy", "calico-node"),
    )
    result = bots("doctor", "--kubernetes")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["ok"] * 7
    assert "by calico-node" in result.stdout


def test_a_cluster_that_lacks_things(bots: Bots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster(
        tmp_path,
        monkeypatch,
        version={"clientVersion": {"gitVersion": "v1.20.0"}},
        storageclass={"items": [{"metadata": {"name": "slow"}, "provisioner": "csi"}]},
        apiservice=named("v1."),
    )
    result = bots("doctor", "--kubernetes")
    assert result.exit_code == 1
    for words in (
        "wrong  kubectl is v1.20.0: 1.27 or later",
        "wrong  the version of Kubernetes is not told",
        "wrong  there is no default StorageClass, volumes stay Pending; there are: slow",
        "note   there is no metrics-server",
        "note   kubectl get daemonset: error: the server does not know daemonset: look yourself",
        "note   there is no Prometheus operator",
    ):
        assert words in result.stdout
    by_hand = default_class("kubernetes.io/no-provisioner")
    cluster(tmp_path, monkeypatch, version={}, daemonset=named("kube-proxy"), storageclass=by_hand)
    told = bots("doctor", "--kubernetes").stdout
    assert "no CNI that enforces" in told
    assert "note   the default StorageClass is fast (kubernetes.io/no-provisioner): claims wait" in told


def test_without_a_cluster(bots: Bots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster(tmp_path, monkeypatch)
    assert "wrong  kubectl version: error" in bots("doctor", "--kubernetes").stdout
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert "wrong  kubectl cannot be started" in bots("doctor", "--kubernetes").stdout
