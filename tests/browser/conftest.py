"""A real browser on a real service. All that a page does is watched: hosts, errors, violations of its policy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.service import Service

CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is here needs a browser."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


def found_browser() -> str:
    """The browser's path; skips where there is none, or where nobody asked for it."""
    if os.environ.get("BOTS_TEST_BROWSER") != "yes":
        pytest.skip("make test-browser runs this, with a browser")
    for name in CHROMIUM:
        if path := shutil.which(name):
            return path
    pytest.skip("there is no chromium, and `apt-get install chromium` could not get one")


class Watched:
    """A page, and what it did: `trouble` must stay empty."""

    def __init__(self, context: Any, service: Service) -> None:
        self.page: Any = context.new_page()
        self.service = service
        self.trouble: list[str] = []
        self.asked: list[str] = []
        self.refusals = 0
        """How many answers of 400 and above are expected: the browser itself writes a line for each."""
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        self.page.on("request", self._request)

    def _said(self, message: Any) -> None:
        if message.type not in ("error", "warning"):
            return
        if "Failed to load resource" in message.text and self.refusals:
            return
        self.trouble.append(f"{message.type}: {message.text}")

    def _request(self, request: Any) -> None:
        self.asked.append(request.url)
        if urlsplit(request.url).hostname != "127.0.0.1" and not request.url.startswith("data:"):
            self.trouble.append(f"another host: {request.url}")

    def open(self, place: str = "") -> Any:
        """Go to a place of the dashboard and wait until it shows something."""
        self.page.goto(f"{self.service.url}/{place}")
        self.page.wait_for_selector("main:not([aria-busy])")
        return self.page


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    path = found_browser()
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def dashboard(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of the browser's own."""
    with Service(tmp_path_factory.mktemp("dashboard")) as service:
        yield service
        assert service.stop() == 0, service.log()


@pytest.fixture
def watch(chromium: Any, dashboard: Service) -> Iterator[Callable[..., Watched]]:
    """Opens a page on a service, the shared one if none is given; at the end it must have behaved."""
    opened: list[tuple[Any, Watched]] = []

    def open_page(service: Service | None = None, **options: Any) -> Watched:
        settings = {"viewport": {"width": 1280, "height": 800}} | options
        context = chromium.new_context(**settings)
        context.set_default_timeout(120_000)
        opened.append((context, Watched(context, service or dashboard)))
        return opened[-1][1]

    yield open_page
    for context, watched in opened:
        context.close()
        assert watched.trouble == []
