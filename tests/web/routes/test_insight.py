"""What the dashboard asks: insight, visits, cost, ids that have a text, orders, what is known."""

from __future__ import annotations

import math
from typing import Any

import httpx
import pytest

from tests.web.calls import add_tasks, events, fresh_name, report, seen, select

POOL, BATCH, STEPS, ROLLOUTS = 40, 6, 20, 4
ALPHA, BETA, FORGETTING = 2.0, 1.0, 0.1


@pytest.fixture(scope="module")
def trained(service_url: str) -> str:
    """A run of a few steps, with drops and versions, whose tasks pass by a rule."""
    name = fresh_name("run")
    with httpx.Client(base_url=service_url, timeout=60) as http:
        http.put(f"/pools/{name}").raise_for_status()
        tasks = [
            {"id": f"{'math' if n % 3 else 'code'}/{n:02}", "domain": "math" if n % 3 else "code"}
            for n in range(POOL)
        ]
        add_tasks(http, name, tasks).raise_for_status()
        posterior = {
            "type": "bots",
            "prior": [ALPHA, BETA],
            "forgetting": FORGETTING,
            "implicit": {"type": "none"},
        }
        http.put(f"/runs/{name}", json={"pool": name, "posterior": posterior}).raise_for_status()
        for step in range(STEPS):
            selection = select(http, name, BATCH, key=f"k{step}", policy_version=step)
            outcomes: list[dict[str, Any]] = [
                seen(task, (int(task[-2:]) + step) % (ROLLOUTS + 1), ROLLOUTS) for task in selection["tasks"]
            ]
            if step == 3:
                outcomes[0] = {"task": selection["tasks"][0], "dropped": "timeout"}
            report(http, name, selection["selection"], outcomes, policy_version=step - step % 2)
    return name


def informative(alpha: float, beta: float, trials: int) -> float:
    """1 − E[p^m] − E[(1−p)^m] of a Beta."""

    def chance(a: float, b: float) -> float:
        return math.prod((a + each) / (a + b + each) for each in range(trials))

    return 1 - chance(alpha, beta) - chance(beta, alpha)


class ByHand:
    """The run's figures, from the events of its log alone, by the formulas of docs/mathematics.md."""

    def __init__(self, log: list[dict[str, Any]], ids: list[str]) -> None:
        alpha, beta = dict.fromkeys(ids, ALPHA), dict.fromkeys(ids, BETA)
        held: dict[str, list[tuple[str, float, float]]] = {}
        self.groups: list[tuple[str, float, float, float, bool]] = []
        """Of each group the domain, what was expected and seen, the chance to be informative, whether it was."""
        self.heat: list[tuple[int, list[int], list[int]]] = []
        chosen = [0] * 10
        step = 0

        def tenths() -> list[int]:
            counts = [0] * 10
            for task in ids:
                counts[min(9, int(10 * alpha[task] / (alpha[task] + beta[task])))] += 1
            return counts

        for event in log:
            if event["type"] == "selected":
                held[event["selection"]] = [(task, alpha[task], beta[task]) for task in event["tasks"]]
            if event["type"] != "committed":
                continue
            step += 1
            now = []
            for selection, rows in event["outcomes"].items():
                for place, successes, trials, *_ in rows:
                    task, a, b = held[selection][place]
                    expected = a / (a + b)
                    self.groups.append(
                        (
                            task[:4],
                            expected,
                            successes / trials,
                            informative(a, b, trials),
                            0 < successes < trials,
                        )
                    )
                    chosen[min(9, int(10 * expected))] += 1
                    now.append((task, successes, trials))
            for task in ids:
                alpha[task] += FORGETTING * (ALPHA - alpha[task])
                beta[task] += FORGETTING * (BETA - beta[task])
            for task, successes, trials in now:
                alpha[task] += successes
                beta[task] += trials - successes
            if step % 16 == 0:
                self.heat.append((step, tenths(), chosen))
                chosen = [0] * 10
        self.heat.append((step, tenths(), chosen))

    def bins(self) -> list[tuple[int, float, float]]:
        """Groups, expected and seen rate by tenths of the expected one."""
        by_tenth: dict[int, list[tuple[float, float]]] = {}
        for _, expected, rate, _, _ in self.groups:
            by_tenth.setdefault(min(9, int(10 * expected)), []).append((expected, rate))
        return [
            (len(pairs), sum(e for e, _ in pairs) / len(pairs), sum(r for _, r in pairs) / len(pairs))
            for _, pairs in sorted(by_tenth.items())
        ]


def test_its_numbers_are_those_that_the_log_gives_by_hand(http: httpx.Client, trained: str) -> None:
    ids = [task["id"] for task in http.get(f"/pools/{trained}/tasks").json()["tasks"]]
    mine = ByHand(events(http, trained), ids)
    status = http.get(f"/runs/{trained}").json()
    told = http.get(f"/runs/{trained}/insight", params={"points": 1}).json()

    bins = [(each["groups"], each["predicted"], each["seen"]) for each in status["calibration"]["bins"]]
    assert bins == [(groups, pytest.approx(e), pytest.approx(r)) for groups, e, r in mine.bins()]
    total = len(mine.groups)
    error = sum(groups * abs(e - r) for groups, e, r in mine.bins()) / total
    assert told["calibration_error"] == pytest.approx(error)
    for domain in ("code", "math"):
        pairs = [(e, r) for name, e, r, _, _ in mine.groups if name == domain]
        of = told["calibration_by_domain"][domain]
        assert of["groups"] == len(pairs)
        assert of["predicted"] == pytest.approx(sum(e for e, _ in pairs) / len(pairs))
        assert of["seen"] == pytest.approx(sum(r for _, r in pairs) / len(pairs))
    heat = [(each["step"], each["tasks"], each["groups"]) for each in told["difficulty"]]
    assert heat == mine.heat
    assert sum(sum(groups) for _, _, groups in heat) == total == STEPS * BATCH - 1

    [point] = told["points"]
    assert point["groups"] == total
    assert point["etr"] == pytest.approx(sum(is_so for *_, is_so in mine.groups) / total)
    assert point["predicted_etr"] == pytest.approx(sum(chance for *_, chance, _ in mine.groups) / total)
    assert point["all_failed"] == pytest.approx(sum(r == 0 for _, _, r, _, _ in mine.groups) / total)
    assert point["all_passed"] == pytest.approx(sum(r == 1 for _, _, r, _, _ in mine.groups) / total)
    assert point["behind"] == pytest.approx(0.5, abs=0.01)
    assert (point["dropped"], told["drops"]) == (1, {"timeout": 1})


def test_what_it_counts_of_tasks_is_what_the_posteriors_tell(http: httpx.Client, trained: str) -> None:
    told = http.get(f"/runs/{trained}/insight").json()
    rows = http.get(f"/runs/{trained}/posteriors").json()["posteriors"]
    assert told["solved"] == sum(row["streak"] > 0 for row in rows)
    assert told["stuck"] == sum(row["streak"] <= -4 for row in rows)
    last = [STEPS - row["last_step"] for row in rows if row["last_step"] is not None]
    assert told["ages"][0] == {"commits": 10, "tasks": sum(age <= 10 for age in last)}
    assert sum(each["tasks"] for each in told["ages"]) == len(last)
    assert [each["commits"] for each in told["ages"]] == [10, 30, 100, 300, 1000, None]
    assert {each["code"] for each in told["advisories"]} >= {"learning", "starving", "honest"}
    for name, domain in told["domains"].items():
        mine = [row for row in rows if row["domain"] == name]
        assert domain["tasks"] == len(mine)
        assert domain["never_selected"] == sum(row["selected"] == 0 for row in mine)
        assert domain["selected"] == sum(row["selected"] for row in mine)
        assert domain["dropped"] == sum(row["dropped"] for row in mine)
        assert domain["stuck"] == sum(row["streak"] <= -4 for row in mine)
        left = [row for row in mine if row["trials"] and row["last_step"] <= STEPS // 2]
        assert domain["left_alone"] == {
            "tasks": len(left),
            "expected": pytest.approx(sum(row["mean"] for row in left) / len(left)),
            "passed": pytest.approx(sum(row["successes"] / row["trials"] for row in left) / len(left)),
        }


def test_a_tasks_visits_are_its_groups(http: httpx.Client, trained: str) -> None:
    rows = http.get(f"/runs/{trained}/posteriors", params={"sort": "-selected"}).json()["posteriors"]
    task = rows[0]["task"]
    told = http.get(f"/runs/{trained}/visits", params={"task": task}).json()
    assert told["posterior"] == rows[0]
    assert (told["step"], told["since"]) == (STEPS, 0)
    assert len(told["visits"]) == rows[0]["selected"]
    assert sum(visit["successes"] for visit in told["visits"]) == rows[0]["successes"]
    assert told["visits"][-1]["step"] == rows[0]["last_step"]
    assert all(
        0 < visit["mean"] < 1 and visit["sd"] > 0 for visit in told["visits"] if visit["kind"] == "group"
    )
    key = fresh_name("key")
    report(http, trained, None, [seen(task, 1, 2)], key=key, evaluation=True)
    last = http.get(f"/runs/{trained}/visits", params={"task": task}).json()["visits"][-1]
    assert (last["kind"], last["mean"], last["trials"]) == ("evaluation", None, 2)
    unknown = http.get(f"/runs/{trained}/visits", params={"task": "math/99"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown-task")


def test_what_steps_cost_is_told_of_each_run(http: httpx.Client, trained: str, run: str) -> None:
    told = http.get(f"/runs/{trained}/cost").json()
    assert (told["select"]["calls"], told["report"]["calls"] >= STEPS) == (STEPS, True)
    assert 0 < told["select"]["p50_ms"] <= told["select"]["p95_ms"]
    assert http.get(f"/runs/{run}/cost").json() == {"run": run, "select": None, "report": None}
    assert http.get(f"/runs/{fresh_name('run')}/cost").status_code == 404


def test_ids_that_have_a_text_are_found(http: httpx.Client, trained: str) -> None:
    def found(**asked: Any) -> list[str]:
        page = http.get(f"/runs/{trained}/posteriors", params=asked).raise_for_status().json()
        assert page["total"] == len(page["posteriors"])
        return [row["task"] for row in page["posteriors"]]

    assert found(search="h/1") == [f"math/{n}" for n in range(10, 20) if n % 3]
    assert found(search="h/1", domain="code") == []
    assert found(search="01m") == []  # an id's end and the next one's begin
    assert found(search="code/00", sort="-mean") == ["code/00"]
    assert found(search="e") == [f"code/{n:02}" for n in range(0, POOL, 3)]
    assert found(search="39") == ["code/39"]


@pytest.mark.parametrize("field", ["mean", "sd", "last_step", "selected", "dropped", "streak"])
def test_tasks_are_sorted_both_ways(http: httpx.Client, trained: str, field: str) -> None:
    for sort, sign in ((field, 1), (f"-{field}", -1)):
        rows = http.get(f"/runs/{trained}/posteriors", params={"sort": sort}).json()["posteriors"]
        values = [sign * (-1 if row[field] is None else row[field]) for row in rows]
        assert values == sorted(values)


def test_a_page_tells_how_many_there_are_in_all(http: httpx.Client, trained: str) -> None:
    page = http.get(f"/runs/{trained}/posteriors", params={"limit": 7, "cursor": 35}).json()
    assert (page["total"], len(page["posteriors"]), page["next"]) == (POOL, 5, None)


@pytest.mark.parametrize("call", ["", "/history", "/insight", "/posteriors", "/visits?task=task-0"])
def test_an_answer_that_is_known_is_not_given_again(http: httpx.Client, run: str, call: str) -> None:
    address = f"/runs/{run}{call}"
    first = http.get(address).raise_for_status()
    known = {"If-None-Match": f'"other", {first.headers["ETag"]}'}
    again = http.get(address, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    selection = select(http, run)
    moved = http.get(address, headers=known)
    assert moved.status_code == 200
    assert moved.headers["ETag"] != first.headers["ETag"]
    report(http, run, selection["selection"], [seen(task) for task in selection["tasks"]])
    assert http.get(address, headers={"If-None-Match": moved.headers["ETag"]}).status_code == 200
