"""Options that say which columns of a file tasks are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from services.task_files.pool_tasks import TaskColumns

Id = Annotated[
    str | None,
    typer.Option(
        "--id",
        metavar="COLUMN[,COLUMN…]",
        show_default="id",
        help="Column of the tasks' ids: text, integers or UUIDs. Several are joined by slashes, as in "
        "gsm8k/17; a slash in any but the first is written %2F, a per cent sign %25.",
    ),
]
IdFromHash = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN[,COLUMN…]",
        help="Instead of --id: make the id from these columns' content, the first 32 hex digits of the "
        "SHA-256 of its JSON with sorted keys, without spaces, in ASCII (several columns: of the list of "
        "their values). Rows of the same content are one task.",
    ),
]
Prefix = Annotated[
    str,
    typer.Option(
        metavar="TEXT", help="What goes before every id, so that two files' numbers are told apart."
    ),
]
Domain = Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of the tasks' domains.")]
Reference = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=COLUMN",
        help="A reference and the column of its pass rates, from 0 to 1 (see --scale); null, NaN or an empty "
        "cell: not measured. Repeatable.",
    ),
]
Scale = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=]SCALE",
        help="How the pass rates (or those of one reference) are written, if not as such: fraction (text "
        "such as 3/8), percent, successes/N or failures/N (counts out of N rollouts). Repeatable.",
    ),
]


def task_columns(
    id_column: str | None,
    id_from_hash: str | None,
    prefix: str,
    domain: str | None,
    reference: list[str],
    scale: list[str],
) -> TaskColumns:
    """The columns that the options name."""
    from services.task_files.pool_tasks import TaskColumns
    from services.task_files.scales import scales_of

    if id_column and id_from_hash:
        raise typer.BadParameter("give either --id or --id-from-hash", param_hint="--id-from-hash")
    for option, text in (("--id", id_column), ("--id-from-hash", id_from_hash)):
        if text is not None and not all(text.split(",")):
            raise typer.BadParameter(f"got {text!r}; give COLUMN,COLUMN…", param_hint=option)
    references = _by_name(reference, "--reference", "COLUMN")
    general = [text for text in scale if "=" not in text]
    if len(general) > 1:
        raise typer.BadParameter(f"got {' and '.join(general)}; give one for all", param_hint="--scale")
    if general and not references:
        raise typer.BadParameter("it needs a --reference", param_hint="--scale")
    single = _by_name([text for text in scale if "=" in text], "--scale", "SCALE")
    try:
        scales = scales_of(general[0] if general else None, single, references)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--scale") from error
    return TaskColumns(
        id=id_column or "id",
        hashed=id_from_hash.split(",") if id_from_hash else (),
        prefix=prefix,
        domain=domain,
        references=references,
        scales=scales,
    )


def _by_name(options: list[str], option: str, value: str) -> dict[str, str]:
    """Options NAME=VALUE by name."""
    values: dict[str, str] = {}
    for text in options:
        name, _, given = text.partition("=")
        if not name or not given:
            raise typer.BadParameter(f"got {text!r}; give NAME={value}", param_hint=option)
        if name in values:
            raise typer.BadParameter(f"{name!r} is given twice", param_hint=option)
        values[name] = given
    return values
