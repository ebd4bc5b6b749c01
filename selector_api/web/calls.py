"""The calls of the service: what must be known of one before a request's body is read stands on its route.

    @router.get("/runs/{run}", ...)
    @Call("read")
    async def get_run(run: RunName, app: App) -> RunView: ...

`MatchCall` finds out which call a request makes; whoever needs to know asks `Matched.of` the ASGI scope.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from selector_api.near_names import hint, shown
from selector_api.settings import Settings
from selector_api.web.problems import INVALID_REQUEST, Problem

SMALL_BODY_BYTES = 64 << 10
"""What is read in a few milliseconds."""
SECURITY_SCHEME = "HTTPBearer"
"""What the OpenAPI document calls the tokens."""

_SCOPES = ("read", "train", "admin")
_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


@dataclass(frozen=True)
class Call:
    """What is known of a call. A decorator, which stands between the route's own and its function."""

    scope: Literal["read", "train", "admin"] | None
    """The scope of a token that it needs; None: everybody may make it."""
    body_limit: Callable[[Settings], int] = lambda _: SMALL_BODY_BYTES
    """Bytes that its body may have at most."""
    names_run_in_body: bool = False
    """The body and not the address names the run, so the route itself checks whether the token is for it."""
    is_timed: bool = False
    """It is of a training step: /metrics shows where its time goes."""
    is_probe: bool = False
    """It asks after this process alone: by any name, however busy the service is, and without a line in the log."""

    def __call__(self, endpoint: _Endpoint) -> _Endpoint:
        """Tell this of the call that a route's function answers."""
        vars(endpoint)["call"] = self
        return endpoint

    @property
    def scopes(self) -> tuple[str, ...]:
        """Those of which a token must have one: each scope includes the ones below it."""
        return _SCOPES if self.scope is None else _SCOPES[_SCOPES.index(self.scope) :]


class CallRoute(APIRoute):
    """A route that knows its call, and says in the OpenAPI document which token that needs.

    Raises:
        TypeError: its function says nothing of the call.
    """

    methods: set[str]

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        call = getattr(endpoint, "call", None)
        if not isinstance(call, Call):
            raise TypeError(f"{path}: put @Call(...) over its function, below the route")
        self.call = call
        text = "Needs no token."
        if call.scope is not None:
            text = f"Once there are tokens, needs one with the scope `{'` or `'.join(call.scopes)}`."
            security = {"security": [{SECURITY_SCHEME: [call.scope]}]}
            options["openapi_extra"] = (options.get("openapi_extra") or {}) | security
        options["description"] = f"{inspect.getdoc(endpoint)}\n\n{text}"
        options["operation_id"] = endpoint.__name__
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Any:
        """The handler. It refuses query parameters that the call does not know: they would silently do nothing."""
        handle = super().get_route_handler()
        known = list(_parameters(self.dependant))

        async def strict(request: Request) -> Any:
            unknown = [name for name in request.query_params if name not in known]
            if unknown and not self.call.is_probe:
                raise Problem(INVALID_REQUEST, _unknown_parameter(unknown[0], known))
            return await handle(request)

        return strict


def _parameters(dependant: Dependant) -> Iterator[str]:
    """The query parameters of a route's function and of what that depends on."""
    yield from (parameter.alias for parameter in dependant.query_params)
    for each in dependant.dependencies:
        yield from _parameters(each)


def _unknown_parameter(name: str, known: Collection[str]) -> str:
    choice = hint(name, known, most=len(known)) or "; this call takes none"
    return f"{shown(name)[1:-1]}: there is no such query parameter{choice}"


@dataclass(frozen=True)
class Matched:
    """Which call a request makes."""

    call: Call
    route: str = "none"
    """The pattern of its address. What callers make up is "none": it must not become a metric's label."""
    methods: frozenset[str] = frozenset()
    """What the address takes."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What the address names, by the pattern's words: "run" and "pool"."""

    @classmethod
    def of(cls, scope: Scope) -> Matched:
        """What `MatchCall` found."""
        return scope["matched"]


class Calls:
    """The table of calls.

    Args:
        routes: all that the service has.

    Raises:
        TypeError: one of them is no `CallRoute`.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes: list[CallRoute] = []
        self._methods: dict[str, frozenset[str]] = {}
        for route in routes:
            if not isinstance(route, CallRoute):
                raise TypeError(f"{route!r} must be a CallRoute: nothing is known of its call")
            self._routes.append(route)
            self._methods[route.path] = self._methods.get(route.path, frozenset()) | route.methods

    def match(self, scope: Scope) -> Matched:
        """Which call a request makes: Starlette itself tells the addresses.

        An address that there is not is treated as one where GET reads and all else is the admin's; a method that an
        address does not take likewise, but for what the call there needs that needs least.
        """
        here: list[tuple[CallRoute, dict[str, str]]] = []
        for route in self._routes:
            match, found = route.matches(scope)
            if match == Match.FULL:
                return Matched(route.call, route.path, self._methods[route.path], found["path_params"])
            if match == Match.PARTIAL:
                here.append((route, found["path_params"]))
        reads = scope["method"] in ("GET", "HEAD")
        if not here:
            return Matched(Call("read" if reads else "admin"))
        route, names = max(here, key=lambda each: len(each[0].call.scopes))
        call = Call("read", names_run_in_body=True) if reads and route.call.scope else route.call
        return Matched(call, route.path, self._methods[route.path], names)


class MatchCall:
    """Finds out which call a request makes, once, and puts it into the ASGI scope for all that follow."""

    def __init__(self, app: ASGIApp, calls: Calls) -> None:
        self._app = app
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            scope["matched"] = self._calls.match(scope)
        await self._app(scope, receive, send)
