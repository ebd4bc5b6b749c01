from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.web.calls import fresh_name, report, samples, seen, select


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_say_that_all_is_well(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_metrics_count_requests_tasks_and_outcomes(http: httpx.Client, run: str) -> None:
    before = samples(http)
    selection = select(http, run, 3, key="k")
    select(http, run, 3, key="k")
    report(http, run, selection["selection"], [seen(task) for task in selection["tasks"][:2]])
    report(http, run, selection["selection"], [seen(task) for task in selection["tasks"]])
    http.get(f"/runs/{fresh_name('nobody')}")
    for _ in range(2):
        report(http, run, None, [seen(task) for task in selection["tasks"]], key="while the service was away")
    after = samples(http)

    def grown(name: str, **labels: str) -> float:
        key = (name, frozenset(labels.items()))
        return after[key] - before.get(key, 0)

    assert grown("bots_tasks_selected_total") == 3
    assert grown("bots_unsolicited_reports_total") == 1
    assert grown("bots_outcomes_total", result="accepted") == 3 + 3
    assert grown("bots_outcomes_total", result="duplicate") == 2 + 3
    assert grown("bots_requests_total", route="/select", method="POST", status="200") == 2
    assert grown("bots_requests_total", route="/runs/{run}", method="GET", status="404") == 1
    assert grown("bots_request_seconds_count", route="/report", method="POST") == 4
    for route, phase, count in (
        ("/select", "redis", 2),
        ("/select", "wait", 2),
        ("/select", "draw", 1),
        ("/select", "fold", 1),
        ("/report", "redis", 4),
    ):
        assert grown("bots_phase_seconds_count", route=route, phase=phase) == count, (route, phase)
        assert grown("bots_phase_seconds_sum", route=route, phase=phase) > 0


def test_the_phases_tell_where_the_time_of_calls_at_the_same_time_goes(http: httpx.Client, run: str) -> None:
    before = samples(http)
    with ThreadPoolExecutor(10) as callers:
        list(callers.map(lambda _: select(http, run, 1), range(10)))
    after = samples(http)

    def seconds(name: str) -> float:
        return sum(
            value - before.get((metric, labels), 0)
            for (metric, labels), value in after.items()
            if metric == name and ("route", "/select") in labels
        )

    assert 0.5 < seconds("bots_phase_seconds_sum") / seconds("bots_request_seconds_sum") <= 1


def test_no_caller_can_make_labels(http: httpx.Client, pool: str, run: str) -> None:
    mark = fresh_name("mark")
    for method, path in (("GET", f"/{mark}"), ("GET", f"/runs/{mark}"), ("PROPFIND", "/select")):
        http.request(method, path, headers={"X-Request-ID": mark})
    labels = {label for name, labels in samples(http) for label in labels if not name.startswith("bots_run_")}
    values = {value for _, value in labels}
    assert not values & {mark, pool, run, "PROPFIND", f"/{mark}"}
    assert {name for name, _ in labels} == {"route", "method", "status", "result", "phase", "le", "version"}
