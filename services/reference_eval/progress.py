"""What is measured so far, on disk: a folder with a file for each shard, which only that shard writes.

A file is JSON lines: first what is measured (`measured_by`), then one line a task; it is empty until there is one.
A line counts once it ends with a newline, so what a kill tore off is measured again. A task is finished whichever
file it stands in: the number of shards may change from one start to the next.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from hashlib import file_digest
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from services.command_line.failures import PASSING, Failure, of_file
from services.reference_eval.config import ReferenceEvaluation
from services.reference_eval.shards import Shard


def measured_by(config: ReferenceEvaluation) -> dict[str, Any]:
    """All that a pass rate depends on, as JSON; the model's weights by their path only."""
    parts = config.model_dump(mode="json", include={"model", "sampling", "reward", "rewards"})
    if config.rewards is None:
        del parts["rewards"]  # as what was measured before there were any says it
    tasks = config.tasks.model_dump(mode="json", exclude={"file", "domain", "references", "limit"})
    with config.tasks.file.open("rb") as file:
        tasks["sha256 of the file"] = file_digest(file, "sha256").hexdigest()
    return parts | {"tasks": tasks}


class Progress:
    """The folder, for a process that measures one shard. Raises `Failure` if it holds other measurements."""

    def __init__(self, folder: Path, measured: Mapping[str, Any], shard: Shard):
        self.folder = folder
        self._measured = measured
        self._path = folder / f"{shard.index}-of-{shard.count}.jsonl"

    def __enter__(self) -> Self:
        """Open the shard's file; raises `Failure` while another process has it open."""
        self.finished()  # fails before anything is written if there are other measurements
        with _refusals(self._path), ExitStack() as opened:
            self.folder.mkdir(parents=True, exist_ok=True)
            # A file of its own, and a POSIX lock: not inherited by child processes, it ends with this one.
            lock = opened.enter_context(self._path.with_suffix(".lock").open("wb"))
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file = opened.enter_context(self._path.open("ab"))
            whole = self._path.read_bytes()[: _whole_lines(self._path)]
            # What is measured is said with the first rates: a mistake that shows before them leaves nothing.
            self._file.truncate(len(whole) if whole.count(b"\n") > 1 else 0)
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._opened.close()

    def add(self, rates: Mapping[str, float]) -> None:
        """Keep the pass rates of tasks; they are on disk when this returns."""
        first = [] if os.fstat(self._file.fileno()).st_size else [self._measured]
        self._write([*first, *({"task": task, "pass_rate": rate} for task, rate in rates.items())])

    def finished(self) -> dict[str, float]:
        """The pass rates that all shards have measured so far, by task."""
        found: dict[str, float] = {}
        for path in sorted(self.folder.glob("*-of-*.jsonl")):
            with path.open("rb") as file:
                lines = file.read(_whole_lines(path)).splitlines()
            if len(lines) < 2:
                continue  # nothing was measured
            for number, line in enumerate(lines, 1):
                try:
                    record = json.loads(line)
                    if number == 1:
                        self._check(path, record)
                    else:
                        found.setdefault(record["task"], record["pass_rate"])
                except (ValueError, TypeError, KeyError) as error:
                    damaged = "line" if number > 1 else "file"
                    raise Failure(
                        f"{path}, line {number}: damaged ({error}). Take the {damaged} away and start again: what "
                        "it held is measured anew"
                    ) from error
        return found

    def _write(self, records: Iterable[Mapping[str, Any]]) -> None:
        with _refusals(self._path):
            self._file.write(b"".join(json.dumps(record).encode() + b"\n" for record in records))
            self._file.flush()
            os.fsync(self._file.fileno())

    def _check(self, path: Path, measured: Mapping[str, Any]) -> None:
        if measured == self._measured:
            return
        before, now = _leaves(measured), _leaves(self._measured)
        changes = [
            f"{field}: was {before.get(field, 'absent')}, is {now.get(field, 'absent')}"
            for field in sorted(before.keys() | now.keys())
            if before.get(field) != now.get(field)
        ]
        raise Failure(
            f"{path}: what is measured so far was measured otherwise, and the two must not be mixed:\n  "
            + "\n  ".join(changes)
            + f"\nChange it back, give another output, or delete {self.folder} to measure all tasks anew."
        )


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """What the file system refuses inside is a `Failure`."""
    try:
        yield
    except BlockingIOError:
        raise Failure(f"{path}: another process is measuring this shard", PASSING) from None
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or error}", of_file(error)) from error


def _whole_lines(path: Path) -> int:
    """The number of bytes up to the end of the last line that has one."""
    return path.read_bytes().rfind(b"\n") + 1


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """The values in nested mappings, as JSON, by their dotted names."""
    leaves: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            leaves |= _leaves(value, f"{prefix}{name}.")
        else:
            leaves[f"{prefix}{name}"] = json.dumps(value)
    return leaves
