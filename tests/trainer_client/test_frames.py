"""Data frames of what the service tells, by the synchronous client and by its twin."""

import sys
from uuid import uuid4

import pytest

from trainer_client import AsyncSelectorClient, Outcome, SelectorClient, Task


@pytest.fixture
def run(service_url: str) -> str:
    """A run over three tasks, with one commit."""
    name = f"frames-{uuid4().hex}"
    with SelectorClient(service_url, run=name) as client:
        client.create_pool(name)
        client.add_tasks(name, [Task(id="a", domain="math"), Task(id="b", domain="math"), Task(id="c")])
        client.create_run(name, name)
        selection = client.select(3)
        client.report(selection, [Outcome(task=task, successes=1, trials=4) for task in selection.tasks])
    return name


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_posteriors_and_the_course_as_frames(run: str, service_url: str, library: str) -> None:
    pytest.importorskip(library, reason=f"{library} is not installed")
    with SelectorClient(service_url, run=run) as client:
        posteriors = client.posteriors_frame(library=library)  # pyright: ignore[reportArgumentType]
        course = client.history_frame(points=10, library=library)  # pyright: ignore[reportArgumentType]
    assert type(posteriors).__module__.startswith(library)
    assert list(posteriors["task"]) == ["a", "b", "c"]
    assert list(posteriors["trials"]) == [4, 4, 4]
    assert list(course["seen"]) == [0.25]
    assert {"step", "etr", "share.math", "share.default"} <= set(course.columns)


@pytest.mark.anyio
async def test_the_asynchronous_client_gives_the_same(run: str, service_url: str) -> None:
    async with AsyncSelectorClient(service_url, run=run) as client:
        assert list((await client.posteriors_frame())["trials"]) == [4, 4, 4]
        assert list((await client.history_frame())["step"]) == [1]


def test_without_a_library_it_is_said(run: str, service_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    with SelectorClient(service_url, run=run) as client:
        with pytest.raises(ModuleNotFoundError, match="pip install polars"):
            client.posteriors_frame()
        with pytest.raises(ModuleNotFoundError, match="no pandas is installed"):
            client.history_frame(library="pandas")
