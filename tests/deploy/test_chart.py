"""The Helm chart renders what kustomize makes of k8s/base; with a real engine in `make test-helm`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import make_chart
from tests.deploy.manifests import ROOT, VERSIONS, Manifest, title, validate

CHART = ROOT / "deploy/helm/bots-selector"


def by_title(manifests: list[Manifest]) -> dict[str, Manifest]:
    return {title(each): each for each in manifests}


@pytest.fixture(scope="module")
def base() -> dict[str, dict[str, Manifest]]:
    """What kustomize makes, by folder."""
    return {name: by_title(make_chart.manifests(ROOT / "k8s/base" / name)) for name in ("selector", "redis")}


@pytest.mark.parametrize("name", ["selector.yaml", "redis.yaml"])
def test_templates_are_current(name: str) -> None:
    assert (CHART / "templates" / name).read_text() == make_chart.templates()[name], (
        "python -m deploy.make_chart"
    )


class TestRendered:
    """By Helm itself."""

    @staticmethod
    def rendered(**values: Any) -> dict[str, Manifest]:
        helm = pytest.importorskip("helm_python", reason="make test-helm installs a Helm engine")
        with helm.Chart.load(str(CHART)) as chart:
            texts = chart.render(values, name="selector", namespace="bots")
        return by_title(
            [each for text in texts.values() for each in yaml.safe_load_all(text) if each is not None]
        )

    def test_by_default_it_is_the_base(self, base: dict[str, dict[str, Manifest]]) -> None:
        assert self.rendered() == base["selector"] | base["redis"]

    def test_with_a_redis_elsewhere_it_is_the_selector_and_the_way_there(
        self, base: dict[str, dict[str, Manifest]]
    ) -> None:
        found = self.rendered(redis={"enabled": False, "cidr": "10.1.0.0/16"})
        way = found.pop("NetworkPolicy selector-to-redis")
        assert found == base["selector"]
        of_prod = list(yaml.safe_load_all(Path(ROOT / "k8s/overlays/prod/network.yaml").read_text()))[-1]
        of_prod["spec"]["egress"][0]["to"][0]["ipBlock"]["cidr"] = "10.1.0.0/16"
        assert way["spec"] == of_prod["spec"]
        for version in VERSIONS:
            validate(way, version)

    def test_values_take_their_places(self) -> None:
        found = self.rendered(
            image="registry/bots:1.2.3", replicas={"min": 3, "max": 4}, redis={"storage": "5Gi"}
        )
        spec = found["Deployment selector"]["spec"]["template"]["spec"]
        images = {each["image"] for each in [*spec["initContainers"], *spec["containers"]]}
        assert images == {"registry/bots:1.2.3"}
        scaler = found["HorizontalPodAutoscaler selector"]["spec"]
        assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 4)
        claim = found["StatefulSet redis"]["spec"]["volumeClaimTemplates"][0]
        assert claim["spec"]["resources"]["requests"]["storage"] == "5Gi"
