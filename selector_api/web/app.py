"""The application: routes, errors and what surrounds them, over an open store."""

from __future__ import annotations

from importlib.metadata import version
from itertools import chain
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.types import Scope

from selector_api.settings import Settings
from selector_api.store.store import Store
from selector_api.web import exception_handlers
from selector_api.web.addresses import Addresses
from selector_api.web.app_state import AppState
from selector_api.web.auth import TOKEN, Authorizer
from selector_api.web.drain import CloseConnections, Drain
from selector_api.web.hosts import Hosts
from selector_api.web.json_body import SMALL_BODY_BYTES
from selector_api.web.metrics import Metrics
from selector_api.web.middleware import PROBES, Admit, AnswerErrors, LimitBody, LimitConcurrency, Observe
from selector_api.web.problems import ProblemDocument
from selector_api.web.rate_limit import RateLimit
from selector_api.web.routes import operations, pools, runs, selections
from selector_api.web.run_metrics import RunMetrics
from selector_api.web.schemas.pools import TaskItem

_DESCRIPTION = """Chooses the tasks of reinforcement finetuning by Bayesian online task selection.

Each training step: `POST /select` hands out a batch of tasks near the target difficulty, `POST /report` takes
their outcomes. Errors are `application/problem+json` (RFC 9457) with a stable `code`.
"""


def create_app(settings: Settings, store: Store, drain: Drain) -> FastAPI:
    """The service as an ASGI application over an open store; `drain` tells when it is about to end."""
    metrics = Metrics()
    run_metrics = RunMetrics(store, settings.metrics_runs)
    metrics.registry.register(run_metrics)
    hosts = Hosts(settings.hosts)
    authorizer = Authorizer(store.tokens, settings.is_loopback)
    rate_limit = RateLimit(settings.rate_limit)
    app = FastAPI(
        title="BOTS Selector",
        version=version("bots-selector"),
        description=_DESCRIPTION,
        redirect_slashes=False,
        redoc_url=None,
    )
    app.state.app = AppState(store, metrics, run_metrics, drain)
    for module in (selections, runs, pools):
        app.include_router(module.router, dependencies=[TOKEN])
    app.include_router(operations.router)
    addresses = Addresses(chain(*(module.router.routes for module in (selections, runs, pools, operations))))
    exception_handlers.install(app, addresses)
    _document(app)

    def limit_of(path: str) -> int:
        if path.startswith("/pools/") and path.endswith("/tasks"):
            return settings.max_tasks_body_bytes
        return settings.max_report_body_bytes if path == "/report" else SMALL_BODY_BYTES

    async def admit(scope: Scope) -> None:
        method, path, headers = scope["method"], scope["path"], Headers(scope=scope)
        if path in PROBES:
            return
        hosts.check(headers.get("host", ""))
        caller = scope["caller"] = await authorizer.identify(method, path, headers.get("authorization"))
        rate_limit.count(caller.name)  # before the refusals that follow, so that they are not free
        caller.check_call(method, path)

    # The last one added is the outermost.
    app.add_middleware(LimitBody, limit_of=limit_of)
    app.add_middleware(Admit, check=admit)
    app.add_middleware(LimitConcurrency, limit=settings.max_concurrent_requests)
    app.add_middleware(AnswerErrors, problem_of=exception_handlers.problem_of)
    app.add_middleware(Observe, metrics=metrics, addresses=addresses)
    app.add_middleware(CloseConnections, drain=drain)
    return app


def _document(app: FastAPI) -> None:
    """Put the schemas that no route names by itself into the OpenAPI document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schemas = generate()["components"]["schemas"]
            for model in (ProblemDocument, TaskItem):
                schemas.setdefault(
                    model.__name__, model.model_json_schema(ref_template="#/components/schemas/{model}")
                )
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi
