"""Where the service is and with which token: from the arguments, the environment, or mounted files."""

import os
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

# Seconds. A machine that is gone answers nothing at all, and the trainer waits this long to know.
LONGEST_CONNECT = 5.0


class BearerToken(httpx.Auth):
    """A token that does not change."""

    def __init__(self, token: str):
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send it along."""
        _authorize(request, self._token)
        yield request


class MountedToken(httpx.Auth):
    """The token in a file, which is read again when the service does not know it any more.

    Raises:
        ValueError: the file cannot be read at the start, or no header can hold what it has.
    """

    def __init__(self, variable: str, file: str):
        self._file = file
        self._token = _sendable(variable, _content(variable, file))

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send it along; after a 401 once more, if the file now holds another."""
        sent = self._token
        _authorize(request, sent)
        response = yield request
        if response.status_code != 401:
            return
        try:
            self._token = _sendable("", _content("", self._file))
        except ValueError:  # It is just being replaced; the 401 stands, and the next call looks again.
            return
        if self._token != sent:
            _authorize(request, self._token)
            yield request


def _authorize(request: httpx.Request, token: str) -> None:
    if token:
        request.headers["Authorization"] = f"Bearer {token}"


class Address:
    """Where the service is. One that a file holds is read again at every call, since a service may move.

    Raises:
        ValueError: no address is given or set, or it is none, or the file cannot be read at the start.
    """

    def __init__(self, base_url: str | None):
        self._file = ""
        source = "base_url"
        if base_url is None and (base_url := os.environ.get("SELECTOR_URL")):
            source = "SELECTOR_URL"
        if not base_url and (file := os.environ.get("SELECTOR_URL_FILE")):
            self._file = file
            base_url, source = _content("SELECTOR_URL_FILE", file), f"SELECTOR_URL_FILE: {file}"
        if base_url is None:
            raise ValueError("base_url: none given; name it, or set SELECTOR_URL or SELECTOR_URL_FILE")
        base_url = base_url.strip()
        if fault := _fault_of(base_url):
            raise ValueError(f"{source}: got {base_url!r}, {fault}")
        self._now = base_url

    def of(self, path: str) -> str:
        """The URL of a path below the address, as it is now."""
        if self._file:
            with suppress(ValueError):  # It is away for a moment; the service may still be where it was.
                content = _content("", self._file)
                self._now = self._now if _fault_of(content) else content
        return f"{self._now.rstrip('/')}/{path.lstrip('/')}"


def _fault_of(address: str) -> str:
    """Why no call could be sent there; "" if one can."""
    if not address.startswith(("http://", "https://")):
        return "it must start with http:// or https://, as in http://127.0.0.1:8000"
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        return f"it is no address: {error}"
    if not url.host or " " in address:
        return "it names no host, as http://127.0.0.1:8000 does"
    return "" if (url.port or 0) < 65_536 else "there are no ports beyond 65535"


def http_options(token: str | None, timeout: float | httpx.Timeout) -> dict[str, Any]:
    """The arguments that both of httpx's clients are made with.

    Raises:
        ValueError: the file of the token that the environment names cannot be read, or no header can hold it.
    """
    if not isinstance(timeout, httpx.Timeout):
        timeout = httpx.Timeout(timeout, connect=min(timeout, LONGEST_CONNECT))
    return {
        "auth": _authorization(token),
        "timeout": timeout,
        # Shorter than the 75 s after which the service closes, so that no request meets a closing connection.
        "limits": httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30),
    }


def _authorization(token: str | None) -> httpx.Auth | None:
    source = "token" if token else "SELECTOR_TOKEN"
    token = (token or os.environ.get("SELECTOR_TOKEN") or "").strip()  # as it is read from a file
    if token:
        return BearerToken(_sendable(source, token))
    file = os.environ.get("SELECTOR_TOKEN_FILE")
    return MountedToken("SELECTOR_TOKEN_FILE", file) if file else None


def _sendable(source: str, token: str) -> str:
    """The token, if a header can hold it: what refuses it later shows it in the error."""
    if not token.isprintable():
        raise ValueError(f"{source}: this is no token: there is a line break in it, or the like")
    return token


def _content(variable: str, file: str) -> str:
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{variable}: {file} cannot be read: {error}") from error
