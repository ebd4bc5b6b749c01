"""Every view, by a real browser: it shows what the API tells, is usable by everybody, and asks nobody else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser.conftest import Watched
from tests.browser.trainings import client_of, make, make_large, train
from tests.service import Service

TASKS = int(os.environ.get("BOTS_TEST_BROWSER_TASKS", "1000000"))
PLACES = ["", "#/runs/trained", "#/runs/trained/tasks", "#/runs/trained/tasks/code%2F000"]
Watch = Callable[..., Watched]


@pytest.fixture(scope="session")
def trained(dashboard: Service) -> str:
    """Two runs, of which one has an open lease; their names begin alike."""
    for name in ("trained", "trained-random"):
        config: dict[str, Any] = {"policy": {"type": "random"}} if name.endswith("random") else {}
        make(dashboard, name, **config)
        train(dashboard, name, 34)
    with client_of(dashboard, "trained") as client:
        client.select(4, key="held")
    return "trained"


def shown(rate: float) -> str:
    """A rate as JavaScript writes it: halves go up."""
    return f"{rate + 1e-9:.2f}"


def tile(page: Any, name: str) -> str:
    """A figure of the page by its name."""
    return page.locator(".tiles div", has=page.get_by_text(name, exact=True)).locator("dd").inner_text()


def test_the_list_tells_of_every_run_and_compares(watch: Watch, trained: str) -> None:
    watched = watch()
    page = watched.open()
    assert page.title() == "Runs - BOTS Selector"
    page.get_by_label("Filter").fill("trained")
    rows = page.locator("tbody tr")
    assert rows.count() == 2
    assert rows.locator("svg polyline").count() == 2
    page.get_by_label("Sort by").select_option("name")
    assert rows.first.locator("th").inner_text() == "trained"
    page.get_by_label("Filter").fill("random")
    assert page.locator("tbody tr").count() == 1
    page.get_by_label("Filter").fill("trained")
    page.get_by_label("Compare trained", exact=True).check()
    assert page.get_by_role("button", name="Compare").is_disabled()
    page.get_by_label("Compare trained-random").check()
    page.get_by_role("button", name="Compare 2").click()
    page.wait_for_selector("main .plot canvas")
    assert page.get_by_role("heading", level=1).inner_text() == "2 runs compared"
    page.get_by_label("Figure").select_option("never selected")
    assert "never selected" in page.locator(".plot").get_attribute("aria-label")


def test_a_run_answers_the_three_questions_in_words_and_figures(watch: Watch, trained: str) -> None:
    watched = watch()
    page = watched.open(f"#/runs/{trained}")
    status = httpx.get(f"{watched.service.url}/runs/{trained}").json()
    told = httpx.get(f"{watched.service.url}/runs/{trained}/insight").json()
    for question in ("Is it learning?", "What starves?", "Is it honest?"):
        assert page.get_by_text(question).is_visible()
    for advisory in told["advisories"]:
        assert advisory["text"].replace("`", "") in page.locator(".words").inner_text()
    assert tile(page, "Step") == str(status["step"])
    assert tile(page, "ETR, last 20").startswith(shown(status["etr"]["recent"]))
    assert tile(page, "Calibration error").startswith(shown(told["calibration_error"]))
    assert "ms" in tile(page, "A select takes")
    table = page.get_by_role("region", name="Calibration by tenths")
    cells = [row.split("\t") for row in table.locator("tbody").inner_text().splitlines()]
    bins = status["calibration"]["bins"]
    expected = [(shown(row["predicted"]), shown(row["seen"]), str(row["groups"])) for row in bins]
    assert [(each[0], each[1], each[3]) for each in cells] == expected
    heat = page.locator("canvas.heat").get_attribute("aria-label")
    last = told["difficulty"][-1]
    assert f"0.0–0.1: {last['tasks'][0]} and {last['groups'][0]}" in heat
    assert page.locator("section:visible .plot canvas").count() >= 7


def test_a_lease_is_released_from_the_page(watch: Watch, dashboard: Service, trained: str) -> None:
    with client_of(dashboard, trained) as client:
        held = client.select(2, key="to-release")
    watched = watch()
    page = watched.open(f"#/runs/{trained}")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Release to-release").click()
    page.get_by_role("button", name="Release to-release").wait_for(state="detached")
    selections = httpx.get(f"{dashboard.url}/runs/{trained}/selections?status=released").json()["selections"]
    assert [each["selection"] for each in selections] == [held.selection]


def test_a_task_is_found_told_of_excluded_and_included(
    watch: Watch, dashboard: Service, trained: str
) -> None:
    watched = watch()
    page = watched.open(f"#/runs/{trained}/tasks")
    page.get_by_label("Search").fill("ode/00")
    page.get_by_text("1 to 4 of 4 tasks").wait_for()
    assert page.url.endswith("tasks?search=ode%2F00")
    page.get_by_role("button", name="In a row").click()
    page.wait_for_selector("th[aria-sort=ascending]")
    page.locator("tbody a").first.click()
    page.get_by_role("heading", name="code/000").wait_for()
    visits = httpx.get(f"{dashboard.url}/runs/{trained}/visits", params={"task": "code/000"}).json()["visits"]
    page.wait_for_selector("text=Every group")
    page.get_by_role("region", name="Every group").wait_for()
    assert page.locator("tbody tr").count() == len(visits)
    assert (
        f"{shown(visits[0]['mean'])} ± {shown(visits[0]['sd'])}" in page.locator("tbody tr").last.inner_text()
    )
    page.get_by_role("button", name="Exclude it from this run").click()
    page.get_by_text("Excluded: this run does not draw it.").wait_for()
    assert httpx.get(f"{dashboard.url}/runs/{trained}").json()["excluded"] == 1
    page.get_by_role("button", name="Include it again").click()
    page.get_by_role("button", name="Exclude it from this run").wait_for()
    assert httpx.get(f"{dashboard.url}/runs/{trained}").json()["excluded"] == 0


def test_it_follows_a_training_by_itself(watch: Watch, dashboard: Service) -> None:
    make(dashboard, "live")
    watched = watch()
    page = watched.open("#/runs/live")
    assert page.get_by_text("Nothing was committed yet").is_visible()
    for first in (0, 3):
        train(dashboard, "live", 3, first=first)
        page.locator(".tiles div", has=page.get_by_text("Step", exact=True)).get_by_text(
            str(first + 3), exact=True
        ).wait_for()
    assert "updated" in page.locator("#freshness").inner_text()


def test_ever_so_many_tasks_are_paged_sorted_and_searched_by_the_service(
    watch: Watch, dashboard: Service
) -> None:
    make_large(dashboard, "large", TASKS)
    with client_of(dashboard, "large") as client:
        batch = client.select(8)
        client.report(batch, {task: [1.0] * 8 for task in batch.tasks})
    watched = watch()
    page = watched.open("#/runs/large/tasks")
    page.get_by_text(f"1 to 50 of {TASKS:,} tasks").wait_for()
    assert page.locator("tbody tr").count() == 50
    page.get_by_role("button", name="Next").click()
    page.get_by_text(f"51 to 100 of {TASKS:,} tasks").wait_for()
    page.get_by_role("button", name="Previous").click()
    page.get_by_text(f"1 to 50 of {TASKS:,} tasks").wait_for()
    page.get_by_role("button", name="Selected").click()
    page.wait_for_selector("th[aria-sort=descending]")
    assert "passed 1" in page.locator("tbody tr").first.inner_text()
    page.get_by_label("Domain").select_option("code")
    page.get_by_text(f"of {len(range(1, TASKS, 3)):,} tasks").wait_for()
    page.get_by_label("Search").fill("000012")
    page.get_by_text("1 to 3 of 3 tasks").wait_for()
    found = [cell.inner_text() for cell in page.locator("tbody th").all()]
    assert found == ["task-0000121", "task-0000124", "task-0000127"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", [*PLACES, "#/compare/trained/trained-random"])
def test_axe_finds_nothing_serious(watch: Watch, trained: str, place: str, scheme: str) -> None:
    module = pytest.importorskip("axe_playwright_python", reason="pip install axe-playwright-python")
    source = (Path(module.__file__).parent / "axe.min.js").read_text()
    watched = watch(bypass_csp=True, color_scheme=scheme)  # for axe, which is put into the page
    page = watched.open(place)
    page.wait_for_selector("table:visible, .plot:visible")
    page.evaluate(source + ";undefined")
    found = page.evaluate("axe.run()")["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [(each["id"], [node["html"][:160] for node in each["nodes"]]) for each in serious] == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_wider_than_the_screen(watch: Watch, trained: str, place: str, width: int) -> None:
    watched = watch(viewport={"width": width, "height": 844})
    page = watched.open(place)
    page.wait_for_selector("table")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_is_used_by_keyboard(watch: Watch, trained: str) -> None:
    watched = watch()
    page = watched.open()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.get_by_label("Filter").fill(trained)
    link = page.get_by_role("link", name=trained, exact=True)
    link.focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=trained, exact=True).wait_for()
    assert page.evaluate("document.activeElement.id") == "main"


def test_the_api_is_documented_without_anybody_else(watch: Watch) -> None:
    watched = watch()
    watched.page.goto(f"{watched.service.url}/docs")
    watched.page.locator('[data-path="/runs/{run}/insight"]').first.wait_for()
