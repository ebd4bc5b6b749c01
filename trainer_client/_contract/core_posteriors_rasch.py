"""Taken over from selector_api/core/posteriors/rasch.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Len

from trainer_client._contract.core_fields import Id, schema
from trainer_client._contract.core_posteriors_posterior import PosteriorKind

MOST_REFERENCES = 16


@dataclass(frozen=True)
class Rasch(PosteriorKind):
    """A learned posterior: it needs no references, reads any number of them, and has nothing to tune."""

    default_policy: ClassVar[str] = "signal"

    __pydantic_config__ = schema(type="rasch", references=["qwen-7b", "qwen-30b"])

    references_: Annotated[tuple[Id, ...], Len(0, MOST_REFERENCES)] | None = None
    """The references that it reads, at most 16; absent: all that the pool has when the run is made"""
    rounding: Literal[16, 8, 4, 2] | None = None
    """Rates are told apart to so many parts of 1; absent: as finely as leaves at most 16,384 classes of tasks
    when the run is made"""
    type: Literal["rasch"] = "rasch"

    def __post_init__(self) -> None:
        if len(set(self.references)) < len(self.references):
            raise ValueError("references names one twice")

    @property
    def references(self) -> tuple[str, ...]:
        """See `PosteriorKind.references`."""
        return self.references_ or ()
