"""What README shows of a first run is what one sees."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest

from tests.service import Service

README = (Path(__file__).parents[2] / "README.md").read_text()
CURL = re.search(r"### By curl.*?```bash\n(.*?)```", README, re.DOTALL)


@pytest.mark.slow
def test_the_calls_by_curl_are_answered_as_it_says(tmp_path: Path) -> None:
    assert CURL is not None
    text = CURL[1]
    bodies = [
        json.loads(body.replace("s1-…", "SELECTION")) for body in re.findall(r"-d '(.*?)'", text, re.DOTALL)
    ]
    tasks = re.search(r"<<'TASKS'\n(.*?)TASKS", text, re.DOTALL)
    answer = re.search(r'# .*"tasks": (\[.*?\])', text)
    assert tasks is not None
    assert answer is not None
    with Service(tmp_path / "data") as service, httpx.Client(base_url=service.url) as http:
        pool, run, select, report = bodies
        http.put("/pools/demo", json=pool).raise_for_status()
        lines = {"Content-Type": "application/x-ndjson"}
        http.post("/pools/demo/tasks", content=tasks[1].encode(), headers=lines).raise_for_status()
        http.put("/runs/first", json=run).raise_for_status()
        selection = http.post("/select", json=select).raise_for_status().json()
        assert selection["tasks"] == json.loads(answer[1])
        receipt = http.post("/report", json=report | {"selection": selection["selection"]})
        assert receipt.raise_for_status().json()["committed"]
