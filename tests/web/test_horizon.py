"""Behind the horizon calls are refused by name, and the log is told as before."""

from __future__ import annotations

import json
from pathlib import Path
from zipfile import ZipFile

import anyio
import httpx
import pytest
from typer.testing import CliRunner

from bots.app import app
from bots.run_export import EVENTS, write_run
from bots.run_export import TASKS as TASK_ROWS
from selector_api.store.codec import Outcome
from selector_api.store.store import open_store
from services.command_line.failures import Failure
from tests.service import Service
from tests.web.calls import TASKS, add_tasks, assert_problem, events, report, seen, select
from trainer_client import SelectorClient

pytestmark = pytest.mark.slow

EVALUATIONS = 520
"""More events than a segment has, and than come between two snapshots."""


async def evaluate(service: Service, times: int, run: str = "run") -> None:
    """So many evaluations of a task, one under each key, each an event."""
    async with open_store(service.redis_url) as store:
        for number in range(times):
            outcomes = [Outcome(TASKS[0]["id"], 1, 2)]
            await store.logs.report_unsolicited(run, f"eval-{number}", outcomes, evaluation=True)


def test_what_is_forgotten_is_refused_by_name(tmp_path: Path) -> None:
    environment = {"SELECTOR_HORIZON_DAYS": "1e-9", "SELECTOR_APPENDFSYNC": "everysec"}
    service = Service(tmp_path, environment=environment).start()
    with httpx.Client(base_url=service.url, timeout=60) as http:
        assert http.put("/pools/pool").status_code == 201
        add_tasks(http, "pool", TASKS)
        assert http.put("/runs/run", json={"pool": "pool"}).status_code == 201
        first = select(http, "run", 2, key="step-0")
        outcomes = [seen(task) for task in first["tasks"]]
        report(http, "run", first["selection"], outcomes)
        anyio.run(evaluate, service, EVALUATIONS)
        last = select(http, "run", 2, key="step-1")
        before = http.get("/runs/run/events").text
        whole = tmp_path / "whole.zip"
        with SelectorClient(service.url) as client:
            write_run(client, "run", whole)
    assert service.stop() == 0, service.log()  # which waits for the snapshot, and what is packed behind it

    service.start()
    with httpx.Client(base_url=service.url, timeout=60) as http:
        lease = f"/runs/run/selections/{first['selection']}"
        evaluation = {"run": "run", "selection": None, "evaluation": True, "outcomes": [seen(TASKS[0]["id"])]}
        sent = {"run": "run", "selection": first["selection"], "outcomes": outcomes}
        for answer, field in (
            (http.post("/select", json={"run": "run", "batch_size": 2, "key": "step-0"}), "key: "),
            (http.post("/report", json=sent), "selection: "),
            (http.post("/report", json=evaluation | {"key": "eval-0"}), "key: "),
            (http.post(f"{lease}/renew", json={"seconds": 1}), "selection: "),
            (http.post(f"{lease}/release"), "selection: "),
        ):
            detail = assert_problem(answer, 409, "past-horizon")["detail"]
            assert detail.startswith(field)
            assert "the horizon (1e-09 days)" in detail
        assert http.get("/runs/run/events").text == before
        assert [event["seq"] for event in events(http, "run")] == list(range(1, EVALUATIONS + 5))
        assert select(http, "run", 2, key="step-1") == last | {"replayed": True}
        listed = http.get("/runs/run/selections").json()["selections"]
        assert [each["selection"] for each in listed] == [last["selection"]]
        assert http.get("/runs/run").json()["step"] == 1
    assert service.stop() == 0, service.log()

    archive, joined = tmp_path / "until-now.zip", tmp_path / "joined.zip"
    arguments = ["run", "archive", "run", str(archive), "--data-dir", str(tmp_path)]
    asked = CliRunner().invoke(app, arguments)
    assert "Let go of the first 500 events of run 'run' in Redis?" in " ".join(asked.output.split())
    result = CliRunner().invoke(app, [*arguments, "--yes"])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{archive}: 500 events, which are no more in Redis\n"
    again = CliRunner().invoke(app, [*arguments, "--yes"])
    assert "nothing of 'run' is packed that is not archived" in " ".join(again.output.split())

    service.start()
    with httpx.Client(base_url=service.url, timeout=60) as http, SelectorClient(service.url) as client:
        problem = assert_problem(http.get("/runs/run/events"), 410, "events-dropped")
        assert "read on with after=500" in problem["detail"]
        assert [event["seq"] for event in events(http, "run", 500)] == list(range(501, EVALUATIONS + 5))
        assert select(http, "run", 2, key="step-1") == last | {"replayed": True}
        report(http, "run", last["selection"], [seen(task) for task in last["tasks"]])
        assert http.get("/runs/run").json()["step"] == 2
        assert write_run(client, "run", joined, archive) == (EVALUATIONS + 5, len(TASKS))
        with pytest.raises(Failure, match="is not of the run 'other'"):
            write_run(client, "other", tmp_path / "other.zip", archive)
        with ZipFile(archive) as mine, ZipFile(tmp_path / "of-another.zip", "w") as of_another:
            of_another.writestr(EVENTS, mine.read(EVENTS).replace(b'"committed"', b'"observed"'))
        with pytest.raises(Failure, match="is of another run of the name 'run': step 2 comes behind"):
            write_run(client, "run", tmp_path / "other.zip", tmp_path / "of-another.zip")
    assert service.stop() == 0, service.log()
    with ZipFile(whole) as former, ZipFile(joined) as now, ZipFile(archive) as first:
        assert now.read(EVENTS).startswith(former.read(EVENTS)), "and the event of the last report"
        assert now.read(TASK_ROWS) == former.read(TASK_ROWS)
        rows = [json.loads(line) for line in first.read(TASK_ROWS).splitlines()]
        assert rows == [json.loads(line) for line in former.read(TASK_ROWS).splitlines()]
