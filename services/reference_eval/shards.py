"""Which part of the tasks a process measures."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from services.command_line.failures import Failure

T = TypeVar("T")

INDEX = "JOB_COMPLETION_INDEX"
COUNT = "JOB_COMPLETIONS"


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 0) of `count`."""

    index: int
    count: int

    @classmethod
    def parsed(cls, text: str, origin: str = "--shard") -> Self:
        """The shard that is written as i/n. Raises `Failure` naming the `origin`."""
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if match is None:
            raise Failure(f"{origin}: got {text!r}; give INDEX/COUNT, such as 0/8")
        shard = cls(int(match[1]), int(match[2]))
        if shard.index >= shard.count:
            raise Failure(f"{origin}: got {text!r}; shards count from 0, so 0/8 to 7/8 are all of 8")
        return shard

    @classmethod
    def from_environment(cls) -> Self:
        """The shard of this pod of a Kubernetes Indexed Job; elsewhere the only one.

        Kubernetes sets JOB_COMPLETION_INDEX by itself, the Job's manifest has to set JOB_COMPLETIONS.
        """
        index, count = os.environ.get(INDEX), os.environ.get(COUNT)
        if index is None:
            return cls(0, 1)
        if count is None:
            raise Failure(
                f"{INDEX} is {index!r} but {COUNT} is not set: set it to the Job's completions, or give --shard"
            )
        return cls.parsed(f"{index}/{count}", f"{INDEX}/{COUNT}")

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """Its part of the items: every item is in one of the shards."""
        return items[self.index :: self.count]

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"
