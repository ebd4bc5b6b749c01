"""JSON bodies, read strictly: UTF-8, and each name once in an object.

RFC 8259 leaves it open what a name that occurs twice means; here it is an error. NaN and Infinity are read,
so that the field which holds one can be named when it is refused.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request

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


class StrictJsonRoute(APIRoute):
    """A route that reads its body with `read_json`."""

    def get_route_handler(self) -> Any:
        """The handler, which gets a request that reads strictly."""
        handle = super().get_route_handler()

        async def strict(request: Request) -> Any:
            return await handle(_StrictRequest(request.scope, request.receive))

        return strict


class _StrictRequest(Request):
    async def json(self) -> Any:
        return read_json(await self.body())


class _Repeated(ValueError):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise _Repeated(next(name for name in counts if counts[name] > 1))
    return values


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
