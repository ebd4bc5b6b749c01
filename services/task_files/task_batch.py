"""Tasks in columns, as they go from a file to a pool and from a pool to be compared with a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer_client import Task

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    Numbers = npt.NDArray[np.float64]
    Places = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TaskBatch:
    """Some tasks, one after another."""

    ids: pa.StringArray
    domains: pa.DictionaryArray
    """Null where a task has none."""
    references: dict[str, Numbers]
    """Pass rates by reference, NaN where a task was not measured."""
    position: int = 0
    """How far the file has been read behind them, in the unit of its `total`."""

    @classmethod
    def of(cls, tasks: Sequence[Task], position: int = 0) -> TaskBatch:
        """These tasks."""
        import pyarrow as pa

        names = dict.fromkeys(name for task in tasks for name in task.references)
        return cls(
            pa.array([task.id for task in tasks], pa.string()),
            pa.array([task.domain for task in tasks], pa.string()).dictionary_encode(),
            {name: np.array([task.references.get(name, np.nan) for task in tasks]) for name in names},
            position,
        )

    @classmethod
    def of_pool(cls, batch: pa.RecordBatch) -> TaskBatch:
        """Some rows of a pool's tasks as the service gives them: `id`, `domain`, and `references` as maps."""
        maps = batch.column("references")
        offsets = maps.offsets.to_numpy()
        keys = maps.keys.slice(offsets[0], offsets[-1] - offsets[0]).dictionary_encode()
        rates = maps.items.slice(offsets[0], offsets[-1] - offsets[0]).to_numpy(zero_copy_only=False)
        rows = np.repeat(np.arange(len(batch)), np.diff(offsets))
        references: dict[str, Numbers] = {}
        for code, name in enumerate(keys.dictionary.to_pylist()):
            mine = keys.indices.to_numpy() == code
            references[name] = np.full(len(batch), np.nan)
            references[name][rows[mine]] = rates[mine]
        return cls(batch.column("id"), batch.column("domain").dictionary_encode(), references)

    def __len__(self) -> int:
        return len(self.ids)

    def rates(self, name: str) -> Numbers:
        """Pass rates of a reference, NaN where a task was not measured with it."""
        rates = self.references.get(name)
        return np.full(len(self), np.nan) if rates is None else rates

    def hashes(self) -> npt.NDArray[np.int64]:
        """A hash of each id; another one in every process."""
        return np.fromiter(map(hash, self.ids.to_pylist()), np.int64, len(self))

    def domain_codes(self, codes: dict[str | None, int]) -> npt.NDArray[np.int32]:
        """The number of each task's domain; `codes` gets those that it does not have."""
        names: list[Any] = [*self.domains.dictionary.to_pylist(), None]
        numbers = np.array([codes.setdefault(name, len(codes)) for name in names], np.int32)
        return numbers[self.domains.indices.fill_null(len(names) - 1).to_numpy()]

    def task(self, row: int) -> Task:
        """One of them."""
        rates = {
            name: float(rates[row]) for name, rates in self.references.items() if rates[row] == rates[row]
        }
        return Task(id=self.ids[row].as_py(), domain=self.domains[row].as_py(), references=rates)

    def take(self, rows: Places) -> TaskBatch:
        """These rows alone."""
        references = {name: rates[rows] for name, rates in self.references.items()}
        return TaskBatch(self.ids.take(rows), self.domains.take(rows), references, self.position)

    def to_parquet(self) -> bytes:
        """As a body that the service takes."""
        import io

        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

        columns: dict[str, pa.Array] = {"id": self.ids, "domain": self.domains}
        if self.references:
            rates = [pa.array(rates, from_pandas=True) for rates in self.references.values()]
            columns["references"] = pa.StructArray.from_arrays(rates, list(self.references))
        table = pa.table(columns)
        body = io.BytesIO()
        options: dict[str, Any] = {"use_dictionary": ["domain"], "write_statistics": False}
        with ParquetWriter(body, table.schema, compression="zstd", **options) as writer:
            writer.write_table(table)
        return body.getvalue()


def joined(batches: Sequence[TaskBatch]) -> TaskBatch:
    """The batches as one."""
    import pyarrow as pa

    names = dict.fromkeys(name for batch in batches for name in batch.references)
    return TaskBatch(
        pa.concat_arrays([batch.ids for batch in batches]),
        pa.chunked_array([batch.domains for batch in batches]).unify_dictionaries().combine_chunks(),
        {name: np.concatenate([batch.rates(name) for batch in batches]) for name in names},
        batches[-1].position,
    )
