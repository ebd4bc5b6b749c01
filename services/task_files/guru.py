"""GURU's files of a domain as one file of tasks: `python -m services.task_files.guru OUTPUT.parquet FILE.parquet…`.

GURU (arXiv 2506.14965, the data set LLM360/guru-RL-92k) has several Parquet files a domain, which cannot simply be
put one after the other: what is right stands there as text, as a list or as a structure, and for some code tasks in
two columns. Here it is text everywhere, JSON where it was none, in one column: `reward_model.ground_truth`.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from services.command_line.command import run_command
from services.command_line.failures import Failure
from services.command_line.output import replacing
from services.task_files.pool_tasks import content_id
from services.task_files.rows import find

ROWS_AT_ONCE = 64  # A code task may have megabytes of tests.
PREFIX = "extra_info.prefix"
"""What goes before a program, in GURU's code tasks that are to complete one."""


def main(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Parquet file to write.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Parquet files of GURU.")],
) -> None:
    """Put GURU's files of a domain into one file of tasks; a prompt that stands twice is taken once."""
    tasks, repeated = join_files(files, output)
    typer.echo(f"{output}: {tasks} tasks, {repeated} rows with the prompt of another left out")


def join_files(files: Sequence[Path], output: Path) -> tuple[int, int]:
    """Write the tasks of some files; returns how many there are, and how many rows repeat the prompt of another.

    Raises `Failure` if a file cannot be read or is not GURU's. The output is there when all of it is.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    schema = pa.schema(
        {
            "data_source": pa.string(),
            "prompt": pa.list_(pa.struct({"role": pa.string(), "content": pa.string()})),
            "reward_model": pa.struct({"ground_truth": pa.string()}),
            "qwen2.5_7b_pass_rate": pa.float64(),
            "qwen3_30b_pass_rate": pa.float64(),
        }
    )
    seen: set[str] = set()
    rows = 0
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as partial, ParquetWriter(partial, schema) as writer:
        for file in files:
            for batch in _batches(file, schema.names):
                new = []
                for row in batch:
                    name = content_id(row["prompt"])
                    if name not in seen:
                        seen.add(name)
                        new.append(_task(row))
                rows += len(batch)
                writer.write_table(pa.Table.from_pylist(new, schema))
    return len(seen), rows - len(seen)


def _batches(path: Path, columns: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            missing = {"data_source", "prompt", "reward_model"} - set(file.schema_arrow.names)
            if missing:
                raise Failure(f"{path}: no column {min(missing)!r}; give files of LLM360/guru-RL-92k")
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=[*columns, PREFIX]):
                yield batch.to_pylist()
    except (ArrowException, OSError) as error:
        raise Failure(f"{path}: not readable as Parquet: {error}") from error


def _task(row: dict[str, Any]) -> dict[str, Any]:
    truth = find(row, "reward_model.ground_truth")[1]
    prefix = find(row, PREFIX)[1]
    if prefix:
        truth = {**json.loads(truth), "prefix": prefix}
    if not isinstance(truth, str | None):
        truth = json.dumps(truth)
    return {**row, "reward_model": {"ground_truth": truth}}


if __name__ == "__main__":
    run_command(main, "services.task_files.guru")
