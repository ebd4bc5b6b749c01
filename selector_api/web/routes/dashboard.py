"""The pages for people: the dashboard at `/`, and the API's documentation at `/docs`.

They hold no data: what they show they ask of the API, with a token where the service wants one.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from selector_api.web.calls import Call, CallRoute
from selector_api.web.static_files import static_answer

router = APIRouter(route_class=CallRoute, include_in_schema=False)

_PAGE = ["GET", "HEAD"]


@router.api_route("/", methods=_PAGE)
@Call(None)
async def get_dashboard(request: Request) -> Response:
    """The dashboard."""
    return static_answer(request, "dashboard", "index.html")


@router.api_route("/dashboard/{file:path}", methods=_PAGE)
@Call(None)
async def get_dashboard_file(request: Request, file: str) -> Response:
    """A file of the dashboard."""
    return static_answer(request, "dashboard", file)


@router.api_route("/docs", methods=_PAGE)
@Call(None)
async def get_docs(request: Request) -> Response:
    """The OpenAPI document as a page."""
    return static_answer(request, "swagger", "index.html")


@router.api_route("/docs/{file}", methods=_PAGE)
@Call(None)
async def get_docs_file(request: Request, file: str) -> Response:
    """A file of that page."""
    return static_answer(request, "swagger", file)
