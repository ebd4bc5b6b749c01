"""OpenTelemetry, put around the service from outside as docs/how-to/operations.md says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.service import Service
from tests.web.calls import TASKS, add_tasks, select

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TO_CONSOLE = {
    "OTEL_TRACES_EXPORTER": "console",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}


def spans(text: str) -> Iterator[dict[str, Any]]:
    """The spans that the console exporter wrote, one indented JSON object after the other."""
    decoder, end = json.JSONDecoder(), 0
    while (start := text.find("{\n", end)) >= 0:
        span, end = decoder.raw_decode(text, start)
        yield span


def test_a_call_is_a_span_of_the_caller_s_trace_with_its_redis_commands(tmp_path: Path) -> None:
    with Service(tmp_path, environment=TO_CONSOLE, under="opentelemetry-instrument") as service:
        with httpx.Client(base_url=service.url, timeout=60) as http:
            http.put("/pools/pool", json={})
            add_tasks(http, "pool", TASKS)
            http.put("/runs/run", json={"pool": "pool"})
            http.headers["traceparent"] = f"00-{TRACE}-{PARENT}-01"
            select(http, "run", key="a-key-of-the-trainer")
        assert service.stop() == 0, service.log()
    of_call = [span for span in spans(service.log()) if span["context"]["trace_id"] == f"0x{TRACE}"]
    (call,) = (span for span in of_call if span["name"] == "POST /select")
    assert call["parent_id"] == f"0x{PARENT}"
    commands = [span for span in of_call if span["attributes"].get("db.system") == "redis"]
    assert commands
    assert {span["parent_id"] for span in commands} == {call["context"]["span_id"]}
    assert "a-key-of-the-trainer" not in service.log()
