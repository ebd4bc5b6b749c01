"""docs/architecture.md walks a select and a report through the rooms, as a debugger sees them."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import pytest

from selector_api.settings import Settings
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.store import open_store
from selector_api.web.app import create_app
from selector_api.web.drain import Drain
from tests.web.calls import seen

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
MOST_FORMS = 5
"""Forms that a batch may take on its way, and their marks in the walk."""
MARKS = "①②③④⑤⑥⑦⑧⑨"

Step = tuple[str, str]
"""A file below selector_api, and a function in it."""


def walk(heading: str) -> list[Step]:
    """The functions that the page names below a heading, in order. An empty cell stands for the file above."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    steps: list[Step] = []
    for file, functions in re.findall(
        r"^\| (?:`([\w/]+\.py)`)? *\| ((?:`[\w.]+`(?:, )?)+) \|", section, re.MULTILINE
    ):
        steps += [(file or steps[-1][0], name) for name in re.findall(r"`([\w.]+)`", functions)]
    return steps


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


class Watch:
    """Which functions of the service are called while it is on, each call once, in order."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.on = False
        self._frames: list[FrameType] = []
        """Kept, so that no frame takes the place of another: a coroutine is entered again and again."""

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        path = frame.f_code.co_filename
        if not (self.on and event == "call" and "/selector_api/" in path):
            return
        if not any(frame is known for known in self._frames):
            self._frames.append(frame)
            self.steps.append((path.rpartition("/selector_api/")[2], frame.f_code.co_qualname))


@contextmanager
def watching() -> Iterator[Watch]:
    watch = Watch()
    before = sys.getprofile()
    threading.setprofile(watch)  # for threads that begin from now on
    sys.setprofile(watch)
    try:
        yield watch
    finally:
        sys.setprofile(before)
        threading.setprofile(None)


@pytest.fixture
async def calls(tmp_path: Path) -> AsyncIterator[dict[str, list[Step]]]:
    """What a select and a report really call, of a run whose batches come from large classes and by thompson."""
    async with EmbeddedValkey(tmp_path / "valkey", fsync="everysec") as valkey:
        with watching() as watch:
            async with open_store(valkey.url) as store:
                app = create_app(Settings(), store, Drain())
                transport = httpx.ASGITransport(app)
                async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
                    await http.put("/pools/pool", json={})
                    await http.post(
                        "/pools/pool/tasks", json=[{"id": f"task-{number}"} for number in range(200)]
                    )
                    await http.put("/runs/run", json={"pool": "pool"})
                    found: dict[str, list[Step]] = {}
                    watch.on = True
                    selection = (await http.post("/select", json={"run": "run", "batch_size": 4})).json()
                    found["A select"] = watch.steps
                    watch.steps = []
                    outcomes = [seen(task) for task in selection["tasks"]]
                    body = {"run": "run", "selection": selection["selection"], "outcomes": outcomes}
                    assert (await http.post("/report", json=body)).json()["committed"]
                    assert (await http.get("/runs/run")).json()["step"] == 1
                    found["A report"] = watch.steps
                    watch.on = False
                    yield found


async def test_a_debugger_sees_what_the_page_says(calls: dict[str, list[Step]]) -> None:
    for heading, steps in calls.items():
        rest = iter(steps)
        missing = [step for step in walk(heading) if step not in rest]
        assert missing[:1] == [], heading
        assert len(walk(heading)) > 10


@pytest.mark.parametrize("heading", ["A select", "A report"])
def test_a_batch_takes_few_forms(heading: str) -> None:
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    marks = re.findall(f"[{MARKS}]", section)
    assert marks == list(MARKS[: len(marks)])
    assert 1 < len(marks) <= MOST_FORMS


def test_the_page_names_every_room() -> None:
    rooms = PAGE.split("\n## ")[0]
    for folder in ("", "selector_api", "services"):
        for path in (ROOT / folder).iterdir():
            if path.is_dir() and (path / "__init__.py").exists() and path.name != "tests":
                assert f"{path.name}/" in rooms, path
