"""What five viewers cost a training: `python -m tests.browser.viewers`. Real pages, and a client beside them.

The same steps again and again, with and without viewers in turn, so that what else the machine does falls on both.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM
from tests.browser.trainings import client_of, make
from tests.service import Service

VIEWERS, ROUNDS, STEPS, BATCH = 5, 4, 25, 32
PASSED = [[float(number < passed) for number in range(8)] for passed in range(10)]
"""Rewards of a group, by the last figure of its task."""
PAUSE = 0.4
"""Seconds between two steps, in which a trainer would roll out."""


def steps(service: Service) -> list[float]:
    """Milliseconds of each select of some steps."""
    taken: list[float] = []
    with client_of(service, "watched") as client:
        for _ in range(STEPS):
            started = time.perf_counter()
            batch = client.select(BATCH)
            taken.append(1e3 * (time.perf_counter() - started))
            client.report(
                batch, {task: [float(int(task[-1]) > number) for number in range(8)] for task in batch.tasks}
            )
            time.sleep(PAUSE)
    return taken


def main() -> None:
    """Measure, and tell."""
    path = next(filter(None, map(shutil.which, CHROMIUM)))
    times: dict[str, list[float]] = {"none": [], "five": []}
    asked: list[str] = []
    seconds = 0.0
    with (
        tempfile.TemporaryDirectory() as folder,
        Service(Path(folder, "data")) as service,
        sync_playwright() as playwright,
    ):
        make(service, "watched", tasks=2000)
        steps(service)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        pages: list[Any] = [browser.new_page() for _ in range(VIEWERS)]
        for page in pages:
            page.on("request", lambda request: asked.append(request.url))
        for _ in range(ROUNDS):
            for page in pages:
                page.goto("about:blank")
            times["none"] += steps(service)
            for page in pages:
                page.goto(f"{service.url}/#/runs/watched")
                page.wait_for_selector(".tiles")
            started = time.perf_counter()
            times["five"] += steps(service)
            for page in pages:  # events arrive while Playwright is asked something
                page.wait_for_timeout(10)
            seconds += time.perf_counter() - started
        browser.close()
    for name, taken in times.items():
        print(f"select with {name} viewers: median {median(taken):.1f} ms of {len(taken)}")
    calls = [each for each in asked if "/runs" in each]
    print(f"{60 * len(calls) / seconds / VIEWERS:.0f} requests a minute a viewer of a run that moves")


if __name__ == "__main__":
    main()
