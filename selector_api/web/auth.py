"""Who may call what: bearer tokens with scopes.

    read    every GET
    train   read, and POST /select and /report
    admin   train, and all that creates or deletes

Without any token the service is open, which it allows on a loopback address only.
"""

from __future__ import annotations

from fastapi import Depends
from fastapi.security import HTTPBearer

from selector_api.settings import Settings
from selector_api.store.tokens import Tokens
from selector_api.web.problems import FORBIDDEN, UNAUTHORIZED, Problem

TOKEN = Depends(HTTPBearer(auto_error=False, description="Needed once a token was made"))
"""Says in the OpenAPI document that a call takes a token. `Authorizer` checks it, before a body is read."""

_OPEN = frozenset({"/healthz", "/readyz", "/docs", "/openapi.json"})
_TRAIN = frozenset({"/select", "/report"})
_INCLUDES = {"read": {"read", "train", "admin"}, "train": {"train", "admin"}, "admin": {"admin"}}


class UnsafeBinding(Exception):
    """The service would be open to a network without any token."""


def needed_scope(method: str, path: str) -> str | None:
    """The scope that a call needs, None for an open one."""
    if path in _OPEN:
        return None
    if method in ("GET", "HEAD"):
        return "read"
    return "train" if path in _TRAIN else "admin"


async def refuse_unsafe(settings: Settings, tokens: Tokens) -> None:
    """Refuse to serve beyond this machine without a token.

    Raises:
        UnsafeBinding: with what to do.
    """
    if not settings.is_loopback and not await tokens.any():
        raise UnsafeBinding(
            f"host: {settings.host!r} can be reached from other machines and no token is configured. "
            "Make one with `bots token create --name NAME --scope train` (same --data-dir or --redis-url), "
            "or serve on 127.0.0.1"
        )


class Authorizer:
    """Checks tokens against the store.

    Args:
        tokens: the stored tokens.
        loopback: whether only this machine can reach the service.
    """

    def __init__(self, tokens: Tokens, loopback: bool) -> None:
        self._tokens = tokens
        self._loopback = loopback

    async def check(self, method: str, path: str, authorization: str | None) -> None:
        """Let the call pass or say why not.

        Raises:
            Problem: unauthorized or forbidden.
        """
        needed = needed_scope(method, path)
        if needed is None or (self._loopback and not await self._tokens.any()):
            return
        scheme, _, secret = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise Problem(UNAUTHORIZED, "Authorization: send a token as 'Bearer TOKEN'")
        token = await self._tokens.lookup(secret.strip())
        if token is None:
            raise Problem(UNAUTHORIZED, "Authorization: this token is unknown or was revoked")
        if not _INCLUDES[needed] & token.scopes:
            raise Problem(FORBIDDEN, f"Authorization: this call needs a token with the scope {needed!r}")
