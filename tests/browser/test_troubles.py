"""Tokens, a service that is away, a run that is gone, a hidden tab: what the page says, and how little it asks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.browser.conftest import Watched
from tests.browser.trainings import make, train
from tests.service import Service

Watch = Callable[..., Watched]
HIDING = """
let away = false;
Object.defineProperty(document, "hidden", {get: () => away});
addEventListener("away", () => {
  away = !away;
  document.dispatchEvent(new Event("visibilitychange"));
});
"""
"""Hides the tab, and shows it, by an event."""


def make_token(service: Service, name: str, scope: str) -> str:
    command = [
        str(Path(sys.executable).with_name("bots")),
        "token",
        "create",
        "--name",
        name,
        "--scope",
        scope,
    ]
    made = subprocess.run(
        [*command, "--redis-url", service.redis_url], capture_output=True, text=True, check=True
    )
    return made.stdout.split()[-1]


def revoke(service: Service, name: str) -> None:
    command = [str(Path(sys.executable).with_name("bots")), "token", "revoke", name]
    subprocess.run(
        [*command, "--redis-url", service.redis_url], capture_output=True, check=True, input=b"y\n"
    )


@pytest.fixture
def own(chromium: object, tmp_path: Path) -> Iterator[Service]:
    """A service that a test may do anything to."""
    with Service(tmp_path / "own") as service:
        yield service


def test_a_token_is_asked_for_kept_in_the_tab_and_out_of_addresses(watch: Watch, own: Service) -> None:
    admin = make_token(own, "admin", "admin")
    make(own, "guarded", token=admin)
    train(own, "guarded", 2, token=admin)
    reader = make_token(own, "reader", "read")
    watched = watch(own)
    watched.refusals = 1
    page = watched.page
    page.goto(f"{own.url}/#/runs/guarded")
    page.get_by_text("The service wants one.").wait_for()
    page.get_by_label("Token with the scope read").fill("wrong")
    page.get_by_role("button", name="Use it").click()
    page.get_by_text("unknown to the service, or was revoked").wait_for()
    page.get_by_label("Token with the scope read").fill(reader)
    page.keyboard.press("Enter")
    page.get_by_text("Is it learning?").wait_for()
    page.reload()
    page.get_by_text("Is it learning?").wait_for()  # the tab still has it
    assert not [address for address in watched.asked if reader in address or "wrong" in address]
    assert reader not in page.content()
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]

    # It may read, and no more: the service says so.
    page.goto(f"{own.url}/#/runs/guarded/tasks/code%2F000")
    page.get_by_role("button", name="Exclude it from this run").click()
    page.get_by_text("this call needs a token with the scope 'train'").wait_for()

    revoke(own, "reader")
    page.goto(f"{own.url}/#/runs/guarded")
    page.reload()
    page.get_by_text("unknown to the service, or was revoked").wait_for()


def test_a_service_that_is_away_is_told_and_what_is_shown_is_old(watch: Watch, own: Service) -> None:
    make(own, "here")
    train(own, "here", 20)
    watched = watch(own)
    watched.refusals = 1
    page = watched.open("#/runs/here")
    page.get_by_text("Is it learning?").wait_for()
    own.stop()
    page.get_by_text("The service does not answer. What is shown is from").wait_for()
    assert page.locator("#freshness").inner_text().startswith("old: updated")
    assert page.get_by_text("Is it learning?").is_visible()
    own.start()
    page.locator("#trouble").wait_for(state="hidden")
    assert not page.locator("#freshness").inner_text().startswith("old")


def test_a_run_that_is_gone_is_told(watch: Watch, dashboard: Service) -> None:
    make(dashboard, "to-delete")
    watched = watch()
    watched.refusals = 1
    page = watched.open("#/runs/to-delete")
    httpx.delete(f"{dashboard.url}/runs/to-delete").raise_for_status()
    page.get_by_role("heading", name="It is not there").wait_for()
    assert "there is none named 'to-delete'" in page.locator("main").inner_text()
    watched.open("#/nowhere")
    assert page.get_by_text("There is no such page").is_visible()


def test_a_hidden_tab_asks_nothing_and_an_idle_run_little(watch: Watch, dashboard: Service) -> None:
    make(dashboard, "idle")
    train(dashboard, "idle", 2)
    watched = watch()
    page = watched.page
    page.clock.install()
    page.add_init_script(HIDING)
    watched.open("#/runs/idle")
    asked = len(watched.asked)
    for _ in range(60):
        page.clock.run_for(1000)
        page.wait_for_timeout(20)
    idle = len(watched.asked) - asked
    assert 1 <= idle <= 12, watched.asked[asked:]
    page.evaluate("dispatchEvent(new Event('away'))")
    asked = len(watched.asked)
    page.clock.run_for(600_000)
    assert watched.asked[asked:] == []
    page.evaluate("dispatchEvent(new Event('away'))")
    page.clock.run_for(10_000)
    page.wait_for_timeout(500)
    assert len(watched.asked) > asked
