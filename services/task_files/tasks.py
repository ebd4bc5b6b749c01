"""Tasks with their prompts and answers, out of the same files that fill a pool.

Ids, domains and references are read as `bots pool import` reads them, so a task has the same id in a training, in
an evaluation and in the pool.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from services.command_line.configuration import Section
from services.command_line.failures import Failure
from services.task_files.pool_tasks import TaskColumns, TaskFile
from services.task_files.rows import Row, open_rows, wrong_value
from services.task_files.scales import FORMS, scales_of

Prompt = str | list[dict[str, str]]
"""Text, or chat messages with a `role` and a `content` each."""


class TaskSource(Section):
    """Where tasks come from. A column's name may be dotted to reach into structs: `reward_model.ground_truth`."""

    file: Path = Field(
        description="file of the tasks, a row a task: Parquet, JSON lines, a JSON array or CSV; text also with .gz"
    )
    id: str | None = Field(
        default=None,
        min_length=1,
        description="column of the id, or several with commas between, joined by slashes as "
        "`bots pool import --id` does; without it the id is made of `id_from_hash`",
    )
    id_from_hash: list[str] = Field(
        default=["prompt"],
        min_length=1,
        description="columns whose content the id is a hash of, as `bots pool import --id-from-hash` makes it",
    )
    prefix: str = Field(
        default="", description="what goes before every id, as `bots pool import --prefix` puts it"
    )
    prompt: str = Field(
        default="prompt",
        min_length=1,
        description="column of the prompt: text, or chat messages with `role` and `content`, which is text or a "
        'list of `{"type": "text", "text": …}`, whose texts are put together as they are',
    )
    answer: str = Field(
        default="answer",
        min_length=1,
        description="column of what the reward compares a completion with: any value but null",
    )
    domain: str | None = Field(default=None, min_length=1, description="column of the domain")
    references: dict[str, str] = Field(
        default={}, description="name of each reference and the column of its pass rates"
    )
    scale: str | None = Field(
        default=None, min_length=1, description=f"how the pass rates are written, if not as such: {FORMS}"
    )
    scales: dict[str, str] = Field(default={}, description="the same for single references, by name")
    system_prompt: str | None = Field(
        default=None, min_length=1, description="system message put before every prompt, which becomes a chat"
    )
    limit: int | None = Field(default=None, ge=1, description="how many tasks to read, from the first one on")

    @model_validator(mode="after")
    def _scales_there_are(self) -> Self:
        scales_of(self.scale, self.scales, self.references)
        return self

    def columns(self) -> TaskColumns:
        """Which columns the pool's part of a task is made of."""
        return TaskColumns(
            id=self.id or "",
            hashed=() if self.id else self.id_from_hash,
            prefix=self.prefix,
            domain=self.domain,
            references=self.references,
            scales=scales_of(self.scale, self.scales, self.references),
        )


@dataclass(frozen=True)
class TaskRow:
    """A task: what the model is asked, what the reward compares its completion with, what the pool knows of it."""

    id: str
    prompt: Prompt
    answer: Any
    domain: str | None
    references: dict[str, float]


def read_tasks(source: TaskSource) -> list[TaskRow]:
    """The tasks of a file, each once, in the file's order.

    Raises `Failure` naming the row, the column and the value where a row cannot be a task, and where a row has the
    id of an earlier one but not its content.
    """
    tasks: dict[str, TaskRow] = {}
    for row, task in _rows(source):
        known = tasks.setdefault(task.id, task)
        if known != task:
            fields = [
                name for name in ("prompt", "answer", "domain", "references") if _differ(known, task, name)
            ]
            raise Failure(
                f"{source.file}, {row.place}: task {task.id!r} stands in an earlier row with another "
                f"{' and '.join(fields)}. Give each task one row, or name a column of unique ids in tasks.id"
            )
        if len(tasks) == source.limit:
            break
    if not tasks:
        raise Failure(f"{source.file}: there is no task in it")
    return list(tasks.values())


def _rows(source: TaskSource) -> Iterator[tuple[Row, TaskRow]]:
    # The file is gone through twice, side by side: once by what reads a pool's tasks, once for the other columns.
    pool_tasks = TaskFile(source.file, source.columns())
    rows = open_rows(source.file, list(dict.fromkeys([source.prompt, source.answer])))
    for (_, task), row in zip(pool_tasks, rows, strict=True):
        answer = row.values[source.answer]
        if answer is None:
            raise _failure(source, row, source.answer, "A reward has nothing to compare with")
        yield row, TaskRow(task.id, _prompt(source, row), answer, task.domain, task.references)


def _prompt(source: TaskSource, row: Row) -> Prompt:
    value = row.values[source.prompt]
    text = _text(value)
    if text:
        if source.system_prompt is None:
            return text
        messages = [{"role": "user", "content": text}]
    elif isinstance(value, list) and value and all(map(_is_message, value)):
        messages = [
            {"role": message["role"], "content": _text(message["content"]) or ""} for message in value
        ]
    else:
        reason = (
            "Give text, or a list of messages, each with a text as role and as content; content may be in parts "
            "of type text"
        )
        raise _failure(source, row, source.prompt, reason)
    if source.system_prompt is None:
        return messages
    if messages[0]["role"] == "system":
        reason = "It has a system message of its own; leave out tasks.system_prompt"
        raise _failure(source, row, source.prompt, reason)
    return [{"role": "system", "content": source.system_prompt}, *messages]


def _is_message(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("role"), str)
        and _text(value.get("content")) is not None
    )


def _text(value: Any) -> str | None:
    """Text, be it in parts as OpenAI's API takes them; None: it is none."""
    if isinstance(value, list) and value and all(map(_is_part, value)):
        return "".join(part["text"] for part in value)
    return value if isinstance(value, str) else None


def _is_part(value: Any) -> bool:
    """Whether it is a part of type text. In Parquet the members of other types stand beside it as nulls."""
    if not isinstance(value, dict) or value.get("type") != "text" or not isinstance(value.get("text"), str):
        return False
    return all(member is None for name, member in value.items() if name not in ("type", "text"))


def _differ(one: TaskRow, other: TaskRow, field: str) -> bool:
    return getattr(one, field) != getattr(other, field)


def _failure(source: TaskSource, row: Row, column: str, reason: str) -> Failure:
    return wrong_value(source.file, row, column, row.values[column], reason)
