"""The application: routes, errors and what surrounds them, over an open store."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from selector_api.settings import Settings
from selector_api.store.store import Store
from selector_api.web import exception_handlers
from selector_api.web.app_state import AppState
from selector_api.web.auth import Authorizer
from selector_api.web.calls import SECURITY_SCHEME, Calls, MatchCall
from selector_api.web.drain import CloseConnections, Drain
from selector_api.web.hosts import Hosts
from selector_api.web.metrics import Metrics
from selector_api.web.middleware import Admit, AnswerErrors, LimitBody, LimitConcurrency, Observe, TellNear
from selector_api.web.problems import ProblemDocument
from selector_api.web.rate_limit import RateLimit
from selector_api.web.routes import dashboard, insight, operations, pools, run_evidence, runs, selections
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
    app = FastAPI(
        title="BOTS Selector",
        version=version("bots-selector"),
        description=_DESCRIPTION,
        routes=[
            route
            for module in (selections, runs, run_evidence, insight, pools, operations, dashboard)
            for route in module.router.routes
        ],
        redirect_slashes=False,
        separate_input_output_schemas=False,
        openapi_url=None,  # it is a route as all others
    )
    app.state.app = AppState(store, metrics, run_metrics, drain)
    exception_handlers.install(app)
    _document(app)

    # The last one added is the outermost.
    app.add_middleware(LimitBody, settings=settings)
    app.add_middleware(
        Admit,
        hosts=Hosts(settings.hosts),
        authorizer=Authorizer(store.tokens, settings.is_open_without_tokens),
        rate_limit=RateLimit(settings.rate_limit),
    )
    app.add_middleware(LimitConcurrency, limit=settings.max_concurrent_requests)
    app.add_middleware(TellNear, names=store.names)
    app.add_middleware(AnswerErrors, problem_of=exception_handlers.problem_of)
    app.add_middleware(Observe, metrics=metrics)
    app.add_middleware(MatchCall, calls=Calls(app.routes))
    app.add_middleware(CloseConnections, drain=drain)
    return app


def _document(app: FastAPI) -> None:
    """Put what no route names by itself into the OpenAPI document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        components = document["components"]
        for model in (ProblemDocument, TaskItem):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            components["schemas"].setdefault(model.__name__, schema)
        token = {"type": "http", "scheme": "bearer", "description": "Needed once a token was made"}
        components["securitySchemes"] = {SECURITY_SCHEME: token}
        return document

    app.openapi = openapi
