"""The OpenAPI document, as far as schemathesis (test_contract.py) does not judge it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from jsonschema_rs import validator_for

from tests.web import openapi


@pytest.fixture(scope="module")
def document(http: httpx.Client) -> dict[str, Any]:
    return http.get("/openapi.json").raise_for_status().json()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_it_has_every_call_under_its_name_and_with_its_scope(document: dict[str, Any]) -> None:
    told = {
        name: (operation["operationId"], operation.get("security"))
        for name, operation in operations(document).items()
    }
    read, train, admin = ([{"HTTPBearer": [scope]}] for scope in ("read", "train", "admin"))
    assert told == {
        "PUT /pools/{pool}": ("create_pool", admin),
        "POST /pools/{pool}/tasks": ("add_tasks", admin),
        "GET /pools/{pool}": ("get_pool", read),
        "DELETE /pools/{pool}": ("delete_pool", admin),
        "PUT /runs/{run}": ("create_run", admin),
        "GET /runs/{run}": ("get_run", read),
        "DELETE /runs/{run}": ("delete_run", admin),
        "GET /runs/{run}/posteriors": ("get_posteriors", read),
        "GET /runs/{run}/events": ("get_events", read),
        "POST /select": ("select", train),
        "POST /report": ("report", train),
        "GET /pools": ("list_pools", read),
        "GET /pools/{pool}/tasks": ("get_tasks", read),
        "POST /pools/{pool}/retire": ("retire_tasks", admin),
        "POST /pools/{pool}/restore": ("restore_tasks", admin),
        "GET /runs": ("list_runs", read),
        "PATCH /runs/{run}": ("change_run", admin),
        "POST /runs/{run}/exclude": ("exclude_tasks", train),
        "POST /runs/{run}/include": ("include_tasks", train),
        "GET /runs/{run}/selections": ("get_selections", read),
        "POST /runs/{run}/selections/{selection}/renew": ("renew", train),
        "POST /runs/{run}/selections/{selection}/release": ("release", train),
        "GET /runs/{run}/history": ("get_history", read),
        "GET /runs/{run}/insight": ("get_insight", read),
        "GET /runs/{run}/visits": ("get_visits", read),
        "GET /runs/{run}/cost": ("get_cost", read),
        "GET /healthz": ("healthz", None),
        "GET /readyz": ("readyz", None),
        "GET /metrics": ("get_metrics", read),
    }


def test_the_file_of_the_docs_is_current(document: dict[str, Any]) -> None:
    assert openapi.PATH.read_text() == openapi.document(), "run `python -m tests.web.openapi`"
    assert json.loads(openapi.document()) == document


def test_every_model_has_examples_that_fit_it(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        assert schema.get("examples"), name
        validator = validator_for(
            {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
        )
        for example in schema["examples"]:
            validator.validate(example)


def test_every_error_is_a_problem_document(document: dict[str, Any]) -> None:
    problem = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    for name, operation in operations(document).items():
        errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert "500" in errors, name
        for answer in errors.values():
            assert answer["content"] == {"application/problem+json": problem}, name
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_a_retry_and_a_login_are_documented(document: dict[str, Any]) -> None:
    for operation in operations(document).values():
        for status, header in (("401", "WWW-Authenticate"), ("503", "Retry-After")):
            answer = operation["responses"].get(status)
            assert answer is None or header in answer["headers"]


def test_calls_say_that_they_take_a_token_and_probes_that_they_do_not(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        assert ("security" in operation) == (name not in ("GET /healthz", "GET /readyz")), name


def test_docs_are_a_page(http: httpx.Client) -> None:
    page = http.get("/docs")
    assert (page.status_code, page.headers["Content-Type"].partition(";")[0]) == (200, "text/html")
