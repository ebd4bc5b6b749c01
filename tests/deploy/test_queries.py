"""Every query of the dashboard and of the alerts asks for what a running service really exports."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.deploy.promql import Matcher, parse
from tests.service import Service
from tests.web.calls import TASKS, add_tasks, fresh_name, report, samples, seen, select

FOLDER = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((FOLDER / "grafana/dashboards/selector.json").read_text())
RULES = yaml.safe_load((FOLDER / "prometheus/alerts.yml").read_text())
SCRAPES = yaml.safe_load((FOLDER / "prometheus/prometheus.yml").read_text())

PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = {f"{panel['title']} {target['refId']}": target for panel in PANELS for target in panel["targets"]}
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
VARIABLES = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}

OF_PROMETHEUS = {"job": {scrape["job_name"] for scrape in SCRAPES["scrape_configs"]}, "instance": {"any"}}
"""Labels that Prometheus adds, and their values."""
OPEN = ("status", "run", "domain")
"""Labels whose values depend on what happens."""

Exported = dict[str, dict[str, set[str]]]


@pytest.fixture(scope="module")
def exported(service: Service) -> Exported:
    """Values by label by metric, as a service exports them that has worked."""
    with httpx.Client(base_url=service.url) as http:
        pool, run = fresh_name("pool"), fresh_name("run")
        http.put(f"/pools/{pool}", json={}).raise_for_status()
        add_tasks(http, pool, TASKS)
        implicit = {"type": "interpolation", "weak": "weak", "strong": "strong"}
        http.put(f"/runs/{run}", json={"pool": pool, "implicit": implicit}).raise_for_status()
        selection = select(http, run)
        report(http, run, selection["selection"], [seen(task) for task in selection["tasks"]])
        http.get("/healthz")
        http.get("/metrics")
        metrics: Exported = defaultdict(lambda: defaultdict(set))
        for name, labels in samples(http):
            metrics[name].update({})
            for label, value in labels:
                metrics[name][label].add(value)
    return {"up": {}, **metrics}


def mistakes(text: str, exported: Exported, legend: str = "") -> list[str]:
    """What a query asks for that is not there."""
    found: list[str] = []
    query = parse(text)
    for selector in query.selectors:
        if selector.metric not in exported:
            found.append(f"no metric {selector.metric}")
            continue
        labels = exported[selector.metric] | OF_PROMETHEUS
        found += [f"{selector.metric} has no label {label}" for label in selector.grouped - labels.keys()]
        for matcher in selector.matchers:
            if matcher.label not in labels:
                found.append(f"{selector.metric} has no label {matcher.label}")
            elif matcher.label not in OPEN and not any(map(matcher.fits, labels[matcher.label])):
                found.append(f"{selector.metric} has no {matcher.label} {matcher.value}")
    shown = set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", legend))
    known = query.result
    if known is None:
        known = OF_PROMETHEUS.keys() | {
            label for s in query.selectors for label in exported.get(s.metric, {})
        }
    return found + [f"the answer has no label {label}" for label in shown - known]


@pytest.mark.parametrize("name", TARGETS)
def test_a_panel_shows_what_is_exported(exported: Exported, name: str) -> None:
    target = TARGETS[name]
    assert mistakes(target["expr"], exported, target["legendFormat"]) == []
    assert parse(target["expr"]).selectors
    assert set(re.findall(r"\$(\w+)", target["expr"])) <= {*VARIABLES, "__rate_interval"}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_about_what_is_exported(exported: Exported, name: str) -> None:
    rule = ALERTS[name]
    assert mistakes(rule["expr"], exported, " ".join(rule["annotations"].values())) == []
    assert rule["labels"]["severity"] in ("critical", "warning")


@pytest.mark.parametrize(
    ("query", "mistake"),
    [
        ("rate(bots_request_total[5m])", "no metric bots_request_total"),
        ('rate(bots_requests_total{code="500"}[5m])', "bots_requests_total has no label code"),
        ("sum by (phase) (rate(bots_requests_total[5m]))", "bots_requests_total has no label phase"),
        (
            'bots_requests_total{route=~"/selects|/reports"}',
            "bots_requests_total has no route /selects|/reports",
        ),
        ('up{job="bots"} == 0', "up has no job bots"),
        ("max by (run) (bots_run_step) > bots_nothing", "no metric bots_nothing"),
        ("bots_run_step # {{domain}}", "the answer has no label domain"),
    ],
)
def test_a_mistake_is_found(exported: Exported, query: str, mistake: str) -> None:
    text, _, legend = query.partition("#")
    assert mistakes(text, exported, legend) == [mistake]


def test_the_metrics_of_runs_are_all_shown(exported: Exported) -> None:
    asked = {selector.metric for target in TARGETS.values() for selector in parse(target["expr"]).selectors}
    assert {name for name in exported if name.startswith("bots_run")} <= asked


def test_the_dashboard_is_whole() -> None:
    identities = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(identities)) == len(identities)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert taken.isdisjoint(cells), panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert all(panel["description"] for panel in PANELS)
    source = VARIABLES["datasource"]
    assert source["type"] == "datasource"
    assert {target["datasource"]["uid"] for target in TARGETS.values()} == {"${datasource}"}


def test_a_variable_asks_for_what_is_exported(exported: Exported) -> None:
    asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", VARIABLES["run"]["query"]["query"])
    assert asked is not None
    metric, label = asked.groups()
    assert label in exported[metric]


def test_the_files_know_each_other() -> None:
    def read(path: str) -> dict[str, Any]:
        return yaml.safe_load((FOLDER / path).read_text())

    assert [(FOLDER / "prometheus" / name).is_file() for name in SCRAPES["rule_files"]] == [True]
    (source,) = read("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert source["type"] == source["uid"] == "prometheus"
    (provider,) = read("grafana/provisioning/dashboards/selector.yml")["providers"]
    assert provider["options"]["path"] == "/etc/grafana/dashboards"


def test_a_query_is_read() -> None:
    query = parse('sum by (a) (rate(m{b=~"x|y",c!="z"}[5m])) / on (a) n > 1 and up == 0')
    assert [selector.metric for selector in query.selectors] == ["m", "n", "up"]
    assert query.selectors[0].matchers == [Matcher("b", "=~", "x|y"), Matcher("c", "!=", "z")]
    assert [selector.grouped for selector in query.selectors] == [{"a"}, set(), set()]
    assert query.result == {"a"}
    assert parse("sum(m) by (a)") == parse("sum by (a) (m)")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sum by (a) (m", "unclosed left parenthesis"),
        ("rate(m)", "expected type matrix"),
        ("rated(m[5m])", "unknown function"),
        ("m{a}", "expected label matching operator"),
    ],
)
def test_what_prometheus_would_refuse_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(text)
