"""Every exception that the client raises of its own.

    SelectorError
    ├── SelectorUnavailable     no usable answer after all retries: no connection, timeout, 408, 429, 5xx,
    │                           or an answer that is not the selector's (wrong address, a proxy's page)
    └── ApiError                the service refused the call, with a problem document (RFC 9457)
        ├── InvalidRequest      400, 406, 413, 415, 422: the call itself is wrong
        ├── Unauthorized        401: no token, or one the service does not know
        ├── Forbidden           403: the token's scope does not cover the call
        ├── NotFound            404: unknown pool, run, selection or task
        └── Conflict            409: the call contradicts what the service holds
            └── BatchTooLarge   fewer tasks can be drawn now; `available` says how many

Mistakes in the arguments of a call that the client sees by itself are `ValueError`s.
"""

from collections.abc import Mapping
from typing import Any


class SelectorError(Exception):
    """The root of the tree."""


class SelectorUnavailable(SelectorError):
    """The selector gave no usable answer.

    `status` is that of the last answer, None when there was none; `code` that of the problem document, "" when the
    answer was none of the selector's.
    """

    def __init__(self, message: str, status: int | None = None, code: str = ""):
        super().__init__(message, status, code)
        self.status = status
        self.code = code

    def __str__(self) -> str:
        return self.args[0]


class ApiError(SelectorError):
    """The service refused the call and changed nothing. The arguments are kept under their names.

    Args:
        status: the HTTP status.
        code: the problem's stable code, such as "unknown-run"; "" when the answer was not a problem document.
        detail: the explanation.
        request_id: the answer's X-Request-Id, if it had one.
        extensions: the problem's further members.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        request_id: str | None = None,
        extensions: Mapping[str, Any] | None = None,
    ):
        # All arguments go to Exception, so that the error survives pickling between a trainer's processes.
        super().__init__(status, code, detail, request_id, extensions)
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.extensions = dict(extensions or {})

    def __str__(self) -> str:
        request = f", request {self.request_id}" if self.request_id else ""
        return f"{self.detail} ({self.code or 'no code'}, HTTP {self.status}{request})"


class InvalidRequest(ApiError):
    """400, 406, 413, 415 or 422: the call itself is wrong; `detail` names the field."""


class Unauthorized(ApiError):
    """401: the call needs a token that the service knows."""


class Forbidden(ApiError):
    """403: the token's scope does not cover the call."""


class NotFound(ApiError):
    """404: no such pool, run, selection or task."""


class Conflict(ApiError):
    """409: the call contradicts what the service holds, such as another config under the same name."""


class BatchTooLarge(Conflict):
    """409 "batch-too-large": fewer tasks than `batch_size` can be drawn now; nothing was leased.

    Or all that can be drawn now promise less than `informative`.
    """

    @property
    def available(self) -> int:
        """How many tasks could be drawn."""
        return int(self.extensions.get("available", 0))

    @property
    def informative(self) -> float | None:
        """How many informative groups those promise, where so many were asked for."""
        return self.extensions.get("informative")
