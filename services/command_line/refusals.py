"""What the service says when it refuses, in the words of the command line: the next step is a command."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer_client import ApiError

COMMANDS = {
    "GET /pools": "bots pool list",
    "GET /pools/{pool}": "bots pool show",
    "PUT /pools/{pool}": "bots pool import",
    "POST /pools/{pool}/tasks": "bots pool import",
    "DELETE /pools/{pool}": "bots pool delete",
    "POST /pools/{pool}/retire": "bots pool retire",
    "POST /pools/{pool}/restore": "bots pool restore",
    "GET /runs": "bots run list",
    "GET /runs/{run}": "bots run show",
    "PUT /runs/{run}": "bots run create",
    'PUT /runs/{new} with "fork"': "bots run create NEW --fork RUN",
    "PATCH /runs/{run}": "bots run change",
    "DELETE /runs/{run}": "bots run delete",
    "POST /runs/{run}/exclude": "bots run exclude",
    "POST /runs/{run}/include": "bots run include",
    "GET /runs/{run}/selections": "bots run selections",
    "POST /runs/{run}/selections/{selection}/renew": "bots run renew",
    "POST /runs/{run}/selections/{selection}/release": "bots run release",
    "GET /runs/{run}/history": "bots run history",
    "GET /runs/{run}/posteriors": "bots posteriors export",
    "GET /runs/{run}/events": "bots events export",
}
"""By the call that it makes, the command."""

UNAUTHORIZED = 401

_NAME = r"([^/\s();,]+)"
_CALLS = [
    (re.compile(re.sub(r"\\{\w+\\}", lambda _: _NAME, re.escape(call)) + r"(?![/\w])"), command)
    for call, command in sorted(COMMANDS.items(), key=lambda each: -len(each[0]))
]
"""The longest first, so that none is taken for the beginning of another."""


def in_commands(text: str) -> str:
    """A text with each call in it as the command that makes it, with the names that the call has."""
    for call, command in _CALLS:

        def words(found: re.Match[str], command: str = command) -> str:
            names = [name for name in found.groups() if not name.startswith("{")]
            return f"`{' '.join([command, *names])}`"

        text = call.sub(words, text)
    return text


def refusal(error: ApiError) -> str:
    """What to print of a refusal."""
    words = in_commands(str(error))
    if error.status == UNAUTHORIZED:
        given = "Give a token by --token, SELECTOR_TOKEN or SELECTOR_TOKEN_FILE"
        return f"{words}. {given}; `bots token create` makes one"
    return words
