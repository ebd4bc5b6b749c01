"""Taken over from selector_api/web/json_body.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

import json
from collections import Counter
from typing import Any

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
