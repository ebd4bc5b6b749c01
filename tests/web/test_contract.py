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
from tests.web.calls import TASKS, add_tasks

KNOWN = "known"
"""A pool and a run that are there, so that not every made-up call ends at an unknown name."""


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
document = schemathesis.openapi.from_dict(create_app(Settings(), Mock()).openapi())
document.config.generation.deterministic = True
document.config.generation.with_security_parameters = False
# What a schema cannot say is left to 422: fields that exclude each other, names that a pool does not have.
document.config.checks.positive_data_acceptance.expected_statuses = ["2xx", "404", "409", "422"]
# This service has no token; see test_auth.py.
document.config.checks.missing_required_header.enabled = False
document.config.checks.ignored_auth.enabled = False


@pytest.fixture(scope="module", autouse=True)
def _known(http: httpx.Client) -> None:
    http.put(f"/pools/{KNOWN}").raise_for_status()
    add_tasks(http, KNOWN, TASKS).raise_for_status()
    http.put(f"/runs/{KNOWN}", json={"pool": KNOWN}).raise_for_status()


def turn_to_what_is_known(case: schemathesis.Case) -> None:
    """Make it a call on a pool and a run that are there."""
    case.path_parameters = dict.fromkeys(case.path_parameters or {}, KNOWN)
    if isinstance(case.body, dict):
        case.body = case.body | {name: KNOWN for name in ("pool", "run") if name in case.body}


@document.parametrize()
@settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_every_answer_is_as_documented(case: schemathesis.Case, service_url: str) -> None:
    case.call_and_validate(service_url)
    assert case.meta is not None
    if case.meta.generation.mode == GenerationMode.POSITIVE and case.method != "DELETE":
        turn_to_what_is_known(case)
        case.call_and_validate(service_url)
