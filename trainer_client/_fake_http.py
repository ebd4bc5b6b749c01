"""How the fake selector reads requests, and how it refuses them."""

import json
from typing import Annotated, Any, Literal, TypeVar

import httpx
from pydantic import Field, TypeAdapter, ValidationError

from trainer_client._contract.core_fields import Id, Name
from trainer_client._contract.web_json_body import read_json
from trainer_client._contract.web_schemas_pools import TaskItem
from trainer_client.models import PosteriorOrder

T = TypeVar("T")

MAX_TASKS = 250_000

NAME: TypeAdapter[str] = TypeAdapter(Name)
OUTBOX: TypeAdapter[str | None] = TypeAdapter(
    Annotated[str | None, Field(pattern=r"^[0-9a-f]{32} [0-9]{1,15} [0-9]{1,15}$")]
)
AFTER: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=0, le=2**53)])
CURSOR: TypeAdapter[str] = TypeAdapter(Annotated[str, Field(pattern=r"^[0-9]{1,18}$")])
LIMIT: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=1, le=1_000)])
TASK_LIMIT: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=1, le=10_000)])
STATUS: TypeAdapter[str | None] = TypeAdapter(Literal["open", "committed", "released"] | None)
SORT: TypeAdapter[str | None] = TypeAdapter(PosteriorOrder | None)
TASK_IDS: TypeAdapter[list[str]] = TypeAdapter(Annotated[list[Id], Field(max_length=100)])
_TASKS: TypeAdapter[list[TaskItem]] = TypeAdapter(list[TaskItem])


class Problem(Exception):
    """A refusal, as a problem document."""

    def __init__(self, status: int, code: str, detail: str, **extensions: Any):
        super().__init__(code)
        self.status = status
        self.headers: dict[str, str] = {}
        self._document = {
            "type": f"urn:bots:problem:{code}",
            "title": code.replace("-", " ").capitalize(),
            "status": status,
            "detail": detail,
            "code": code,
            **extensions,
        }

    def response(self) -> httpx.Response:
        """The answer."""
        headers = {"Content-Type": "application/problem+json", **self.headers}
        return httpx.Response(self.status, json=self._document, headers=headers)


def checked(kind: TypeAdapter[T], value: Any, name: str = "") -> T:
    """The value as this type has it; `name` is what the caller calls it.

    Raises:
        Problem: invalid-request, with the field.
    """
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(part for part in (name, *map(str, first["loc"])) if part) or "body"
        raise Problem(422, "invalid-request", f"{field}: {first['msg']}") from error


def body_of(request: httpx.Request, kind: TypeAdapter[T]) -> T:
    """The JSON body of a request.

    Raises:
        Problem: unsupported-media-type, invalid-json or invalid-request.
    """
    if not request.content:
        return checked(kind, None)
    media_type = _media_type(request)
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise Problem(415, "unsupported-media-type", "Content-Type: send application/json")
    return checked(kind, _json("body", request.content))


def tasks_of(request: httpx.Request) -> list[TaskItem]:
    """The tasks in a body of NDJSON or of a JSON array.

    Raises:
        Problem: unsupported-media-type, payload-too-large, invalid-json or invalid-request.
    """
    body = request.content
    match _media_type(request):
        case "application/x-ndjson":
            lines = body.removesuffix(b"\n").split(b"\n") if body else []
            values = [_json(f"line {number}", line) for number, line in enumerate(lines, 1)]
        case "application/json":
            values = _json("body", body)
        case _:
            raise Problem(415, "unsupported-media-type", "Content-Type: the fake takes NDJSON and JSON tasks")
    if isinstance(values, list) and len(values) > MAX_TASKS:  # pyright: ignore[reportUnknownArgumentType]
        raise Problem(413, "payload-too-large", f"body: at most {MAX_TASKS} tasks")
    tasks = checked(_TASKS, values)
    if not tasks:
        raise Problem(422, "invalid-request", "body: it holds no task")
    return tasks


def page_of_names(request: httpx.Request, name: str, key: str, rows: list[dict[str, Any]]) -> httpx.Response:
    """A page of rows, which are sorted by their key."""
    params = request.url.params
    limit = checked(LIMIT, params.get("limit", "100"), "limit")
    page = [row for row in rows if row[key] > params.get("cursor", "")][:limit]
    return httpx.Response(200, json={name: page, "next": page[-1][key] if len(page) == limit else None})


def refuse_parquet(request: httpx.Request) -> None:
    """Refuse to answer with anything but JSON.

    Raises:
        Problem: not-acceptable.
    """
    for entry in request.headers.get("Accept", "*/*").split(","):
        match entry.partition(";")[0].strip().lower():
            case "application/json" | "application/*" | "*/*" | "":
                return
            case "application/vnd.apache.parquet":
                raise Problem(406, "not-acceptable", "Accept: the fake gives posteriors as JSON only")
            case _:
                pass
    raise Problem(406, "not-acceptable", "Accept: ask for application/json")


def _media_type(request: httpx.Request) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _json(place: str, text: bytes) -> Any:
    try:
        return read_json(text)
    except json.JSONDecodeError as error:
        raise Problem(400, "invalid-json", f"{place}: {error.msg}") from error
