"""The pages for people: the dashboard at `/`, and the API's documentation at `/docs`.

They hold no data: what they show they ask of the API, with a token where the service wants one. Each file has a
route of its own, so that no other address is open.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import APIRouter, Request, Response

from selector_api.web.calls import Call, CallRoute
from selector_api.web.static_files import files_of, static_answer

router = APIRouter(route_class=CallRoute, include_in_schema=False)

_INDEX = "index.html"
_PAGES = {"dashboard": ("/", "/dashboard"), "swagger": ("/docs", "/docs")}
"""By folder the address of its page, and below which its other files are."""


def _answering(path: Path) -> Callable[[Request], Awaitable[Response]]:
    @Call(None)
    async def get_file(request: Request) -> Response:
        """A file of the service's pages."""
        return static_answer(request, path)

    return get_file


for _folder, (_page, _others) in _PAGES.items():
    for _name, _path in files_of(_folder).items():
        _address = _page if _name == _INDEX else f"{_others}/{_name}"
        router.add_api_route(_address, _answering(_path), methods=["GET", "HEAD"])
