"""JSON bodies, read strictly: UTF-8, and each name once in an object.

RFC 8259 leaves it open what a name that occurs twice means; here it is an error. NaN and Infinity are read,
so that the field which holds one can be named when it is refused.

A small body is read and validated at once. A large one takes up to two seconds, beside the event loop.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import anyio.to_thread
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request

from selector_api.web.calls import SMALL_BODY_BYTES, CallRoute

MAX_MEMBERS = 1_000
"""Members of one object. No call has as many fields, and an error is made for each that is unknown."""
_NAME_SHOWN = 80


def read_json(body: bytes) -> Any:
    """The value that a JSON text holds.

    Raises:
        json.JSONDecodeError: its `msg` tells what is wrong, without the body's values.
    """
    try:
        return _DECODER.decode(body.decode())
    except json.JSONDecodeError as error:
        message = f"not valid JSON at character {error.pos}: {error.msg}"
    except _Repeated as error:
        message = f"{shown(error.name)}: this name occurs twice in one object"
    except _TooManyMembers:
        message = f"an object has more than {MAX_MEMBERS} members"
    except RecursionError:
        message = "nested too deeply"
    except UnicodeDecodeError as error:
        message = f"not UTF-8 at byte {error.start}"
    except ValueError:  # Python's limit on the digits of an integer
        message = "a number has too many digits"
    raise json.JSONDecodeError(message, "", 0)


def shown(name: str) -> str:
    """A field's name as it may stand in an answer: bounded, and nothing that cannot be printed."""
    return "".join(character if character.isprintable() else "?" for character in name[:_NAME_SHOWN])


class StrictJsonRoute(CallRoute):
    """A route that reads its body with `read_json`."""

    def get_route_handler(self) -> Any:
        """The handler, which gets a request that reads strictly."""
        handle = super().get_route_handler()
        field = self.body_field

        def read_and_validate(body: bytes) -> Any:
            assert field is not None  # only a route that takes JSON reads it
            value, errors = field.validate(read_json(body), loc=("body",))
            if errors:
                raise RequestValidationError(errors)
            return value

        class StrictRequest(Request):
            async def json(self) -> Any:
                body = await self.body()
                if len(body) <= SMALL_BODY_BYTES:
                    return read_json(body)
                limiter = self.app.state.app.body_limiter
                return await anyio.to_thread.run_sync(read_and_validate, body, limiter=limiter)

        async def strict(request: Request) -> Any:
            return await handle(StrictRequest(request.scope, request.receive))

        return strict


class _Repeated(ValueError):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class _TooManyMembers(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_MEMBERS:
        raise _TooManyMembers
    values = dict(pairs)
    if len(values) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise _Repeated(next(name for name in counts if counts[name] > 1))
    return values


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
