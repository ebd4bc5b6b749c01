"""The route of the calls of a training step, which are nearly all that a service is asked."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from selector_api.web.calls import SMALL_BODY_BYTES
from selector_api.web.json_body import StrictJsonRoute, read_json


class StepRoute(StrictJsonRoute):
    """A route that answers what is plain by itself: a small body of JSON that is as it should be.

    Its function takes a `body`, the `request` and perhaps headers. Everything else, and all that is wrong, goes
    through FastAPI, which says what; its way costs a tenth of a report.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = Headers(scope=scope)
        if not self._is_plain(scope, headers):
            await super().handle(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        arguments = self._arguments(body, headers)
        if arguments is None:
            await super().handle(scope, _again(body, receive), send)
            return
        response = await self.endpoint(request=request, **arguments)
        await response(scope, receive, send)

    def _is_plain(self, scope: Scope, headers: Headers) -> bool:
        length = headers.get("content-length", "")
        return (
            not self.param_convertors
            and scope["method"] in self.methods
            and not scope["query_string"]
            and headers.get("content-type") == "application/json"
            and len(length) < 9
            and length.isdecimal()
            and int(length) <= SMALL_BODY_BYTES
        )

    def _arguments(self, body: bytes, headers: Headers) -> dict[str, Any] | None:
        """What the route's function is called with; None if something is wrong with it."""
        assert self.body_field is not None
        fields = [
            (field, headers[field.alias]) for field in self.dependant.header_params if field.alias in headers
        ]
        try:
            fields.append((self.body_field, read_json(body)))
        except json.JSONDecodeError:
            return None
        arguments: dict[str, Any] = {}
        for field, value in fields:
            arguments[field.name], errors = field.validate(value, loc=())
            if errors:
                return None
        return arguments


def _again(body: bytes, receive: Receive) -> Receive:
    """What gives a body that was read once more, then what follows."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return messages.pop() if messages else await receive()

    return received
