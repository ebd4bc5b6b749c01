"""The service keeps to its OpenAPI document, whatever is sent: schemathesis makes up the calls."""

from __future__ import annotations

import io
import json
from typing import Any
from unittest.mock import Mock

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

from selector_api.settings import Settings
from selector_api.web.app import create_app
from selector_api.web.drain import Drain
from tests.web.calls import TASKS, add_tasks, select

KNOWN = "known"


def parquet(tasks: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(tasks), file)
    return file.getvalue()


bodies = st.lists(st.sampled_from(TASKS), min_size=1, max_size=3)
schemathesis.openapi.media_type(
    "application/x-ndjson", bodies.map(lambda tasks: "\n".join(map(json.dumps, tasks)).encode())
)
schemathesis.openapi.media_type("application/vnd.apache.parquet", bodies.map(parquet))


# Made of the application and not read from the service, because pytest collects the operations before it runs.
document = schemathesis.openapi.from_dict(create_app(Settings(), Mock(), Drain()).openapi())
document.config.generation.deterministic = True
document.config.generation.with_security_parameters = False
# What a schema cannot say is left to 422: fields that exclude each other, names that a pool does not have.
document.config.checks.positive_data_acceptance.expected_statuses = ["2xx", "404", "409", "422"]
# This service has no token; see test_auth.py.
document.config.checks.missing_required_header.enabled = False
document.config.checks.ignored_auth.enabled = False


@pytest.fixture(scope="module")
def selection(http: httpx.Client) -> str:
    """A selection of all tasks, of a run over a pool that are both named `KNOWN`."""
    http.put(f"/pools/{KNOWN}").raise_for_status()
    add_tasks(http, KNOWN, TASKS).raise_for_status()
    http.put(f"/runs/{KNOWN}", json={"pool": KNOWN, "share_leased": True}).raise_for_status()
    return select(http, KNOWN, len(TASKS))["selection"]


def turn_to_what_is_known(case: schemathesis.Case, selection: str) -> None:
    """Make it a call on what is there, so that not every made-up call ends at an unknown name."""
    case.path_parameters = dict.fromkeys(case.path_parameters or {}, KNOWN)
    if isinstance(case.body, dict):
        body: dict[str, Any] = dict(case.body)
        names = {"pool": KNOWN, "run": KNOWN, "selection": selection}
        body |= {name: value for name, value in names.items() if body.get(name)}
        for outcome in body.get("outcomes", ()):
            outcome["task"] = TASKS[0]["id"]
        case.body = body


@document.parametrize()
@settings(
    max_examples=80,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_every_answer_is_as_documented(case: schemathesis.Case, service_url: str, selection: str) -> None:
    case.call_and_validate(service_url)
    assert case.meta is not None
    if case.meta.generation.mode == GenerationMode.POSITIVE and case.method != "DELETE":
        turn_to_what_is_known(case, selection)
        case.call_and_validate(service_url)
