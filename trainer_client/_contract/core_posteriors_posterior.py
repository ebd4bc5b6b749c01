"""Taken over from selector_api/core/posteriors/posterior.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import ClassVar


@dataclass(frozen=True)
class PosteriorKind(ABC):
    """The configuration of a posterior."""

    default_policy: ClassVar[str] = "thompson"
    """Type of the policy that draws where a run names none."""

    @property
    @abstractmethod
    def references(self) -> tuple[str, ...]:
        """The references that it reads. Tasks of equal domain and rates make a class."""

    def settled_as(self, there: PosteriorKind) -> PosteriorKind:
        """It with what it leaves open as it is in another one of its kind."""
        if type(there) is not type(self):
            return self
        left_open = [field.name for field in fields(self) if getattr(self, field.name) is None]
        return replace(self, **{name: getattr(there, name) for name in left_open})
