"""Who may call what: bearer tokens with scopes.

    read    every GET
    train   read, the calls of a training step, and which of its tasks a run leaves out
    admin   train, and all that creates or deletes

A token may be limited to runs and pools by name. Without any token the service is open, which it allows on a
loopback address only, and not there if a token is required.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import structlog
from fastapi import Depends, Request

from selector_api.settings import Settings
from selector_api.store.tokens import Token, Tokens
from selector_api.web.calls import Call, Matched
from selector_api.web.problems import FORBIDDEN, UNAUTHORIZED, Problem, without_secrets


class UnsafeBinding(Exception):
    """The service would be open to a network without any token."""


async def refuse_unsafe(settings: Settings, tokens: Tokens) -> None:
    """Refuse to serve without a token beyond this machine, or where one is required.

    Raises:
        UnsafeBinding: with what to do.
    """
    if settings.is_open_without_tokens or await tokens.any():
        return
    made = "`bots token create --name NAME --scope admin` (same --data-dir or --redis-url)"
    if settings.is_loopback:
        raise UnsafeBinding(
            f"require_token: no token is configured. Make one with {made}, or do not require it"
        )
    raise UnsafeBinding(
        f"host: {settings.host!r} can be reached from other machines and no token is configured. "
        f"Make one with {made}, or serve on 127.0.0.1"
    )


@dataclass(frozen=True)
class Caller:
    """Who calls: the holder of a token, or anyone where no token is needed."""

    token: Token | None = None

    @classmethod
    def of(cls, request: Request) -> Caller:
        """Who makes a request, as the middleware found."""
        return request.scope["caller"]

    @property
    def name(self) -> str:
        """The token's name, "" without one."""
        return self.token.name if self.token else ""

    def check_call(self, matched: Matched) -> None:
        """Refuse a call that the token's scopes or limits do not allow; what a body names is still to be checked.

        Raises:
            Problem: forbidden.
        """
        call, run, pool = matched.call, matched.names.get("run"), matched.names.get("pool")
        if run is not None:
            self.check_run(run)
        if self.token is None or call.scope is None:
            return
        if self.token.scopes.isdisjoint(call.scopes):
            raise Problem(FORBIDDEN, f"Authorization: this call needs a token with the scope {call.scope!r}")
        if pool is not None:
            self.check_pool(pool)
        if run is None and pool is None and not call.names_run_in_body and self.token.is_limited:
            raise Problem(FORBIDDEN, "Authorization: this call needs a token without limits to runs or pools")

    def may_use_run(self, run: str) -> bool:
        """Whether the token is for this run."""
        return self.token is None or self.token.is_for_run(run)

    def may_use_pool(self, pool: str) -> bool:
        """Whether the token is for this pool."""
        return self.token is None or self.token.is_for_pool(pool)

    def check_run(self, run: str) -> None:
        """Refuse a run that the token is not for; the log's line of this request gets its name.

        Raises:
            Problem: forbidden.
        """
        if not self.may_use_run(run):
            raise Problem(FORBIDDEN, "run: this token is limited to others; ask for one that is for this run")
        structlog.contextvars.bind_contextvars(run=without_secrets(run))

    def check_pool(self, pool: str) -> None:
        """Refuse a pool that the token is not for.

        Raises:
            Problem: forbidden.
        """
        if not self.may_use_pool(pool):
            raise Problem(
                FORBIDDEN, "pool: this token is limited to others; ask for one that is for this pool"
            )


class Authorizer:
    """Knows callers by their tokens in the store.

    Args:
        tokens: the stored tokens.
        is_open: whether anyone may call while there is no token.
    """

    def __init__(self, tokens: Tokens, is_open: bool) -> None:
        self._tokens = tokens
        self._is_open = is_open

    async def identify(self, call: Call, authorization: str | None) -> Caller:
        """Who makes this call; whether they may is still to be checked.

        Raises:
            Problem: unauthorized.
        """
        if call.scope is None or (self._is_open and not await self._tokens.any()):
            return Caller()
        scheme, _, secret = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise Problem(UNAUTHORIZED, "Authorization: send a token as 'Bearer TOKEN'")
        token = await self._tokens.lookup(secret.strip())
        if token is None:
            raise Problem(UNAUTHORIZED, "Authorization: this token is unknown or was revoked")
        return Caller(token)


async def _caller(request: Request) -> Caller:
    return Caller.of(request)


CalledBy = Annotated[Caller, Depends(_caller)]
"""Who calls a route, as the middleware found."""
