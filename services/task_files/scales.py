"""How a data set writes pass rates: as such, as fractions, in per cent, or as counts of successes or of failures.

Nothing is guessed: without a scale a value is a rate from 0 to 1 or it is refused.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

FORMS = "fraction, percent, successes/N or failures/N (out of N rollouts)"

_FRACTION = re.compile(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*")
_COUNTED = re.compile(r"(successes|failures)/([1-9]\d{0,8})")


@dataclass(frozen=True)
class Scale:
    """One way to write pass rates; `of` is what stands for a rate of 1 (`failures`: of 0)."""

    name: str
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Scale":
        """The scale of this name. Raises ValueError, naming those there are."""
        counted = _COUNTED.fullmatch(text)
        if counted:
            return cls(counted[1], int(counted[2]))
        if text == "percent":
            return cls(text, 100)
        if text == "fraction":
            return cls(text)
        raise ValueError(f"got {text!r}; a scale is {FORMS}")

    def rate(self, value: Any) -> float:
        """The pass rate that a value stands for.

        Raises:
            ValueError: it stands for none; the message says what the scale takes.
        """
        if self.name == "fraction":
            return self._fraction(value)
        if self.name == "percent" and isinstance(value, str):
            value = value.strip().removesuffix("%")
        amount = number(value)
        if not isinstance(amount, float) or not 0 <= amount <= self.of:
            raise ValueError(f"By its scale, {self}, it is a number from 0 to {self.of}")
        return (self.of - amount if self.name == "failures" else amount) / self.of

    def rates(self, amounts: Any) -> Any:
        """The pass rates that an array of numbers stands for; NaN stays. See `rate`.

        Raises:
            ValueError: one stands for none, or only text would.
        """
        if (
            self.name == "fraction"
            or not ((amounts >= 0) & (amounts <= self.of) | (amounts != amounts)).all()
        ):
            raise ValueError
        return (self.of - amounts if self.name == "failures" else amounts) / self.of

    def _fraction(self, value: Any) -> float:
        parts = _FRACTION.fullmatch(value) if isinstance(value, str) else None
        if parts is None or not 0 < int(parts[2]) >= int(parts[1]):
            raise ValueError('By its scale, fraction, it is text such as "3/8", from 0 to 1')
        return float(Fraction(int(parts[1]), int(parts[2])))

    def __str__(self) -> str:
        return f"{self.name}/{self.of}" if self.name in ("successes", "failures") else self.name


def number(value: Any) -> Any:
    """A number, also as text or as a decimal, as a float; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return value
    try:
        return float(value)
    except (ValueError, OverflowError):
        return value


def is_absent(value: Any, *, text: bool) -> bool:
    """Whether a value says that nothing was measured: null and NaN; where all is text, also the word."""
    if isinstance(value, str):
        return text and value.strip().lower() == "nan"
    return value is None or (isinstance(value, float | Decimal) and math.isnan(value))


def fitting(value: Any) -> str:
    """Which scales could read a value that is no rate, for a message."""
    if isinstance(value, str):
        if _FRACTION.fullmatch(value):
            return "--scale fraction reads it"
        if value.strip().endswith("%"):
            return "--scale percent reads it"
    return f"If it is no rate from 0 to 1, say what it is: --scale {FORMS}"


def scales_of(
    default: str | None, by_reference: Mapping[str, str], references: Mapping[str, str]
) -> dict[str, Scale]:
    """The scale of each reference that has one: its own, or the one for all.

    Raises:
        ValueError: there is no such scale, or no such reference.
    """
    unknown = [name for name in by_reference if name not in references]
    if unknown:
        given = ", ".join(references) or "none"
        raise ValueError(f"{unknown[0]!r} is no reference; given: {given}")
    texts = {name: by_reference.get(name, default) for name in references}
    if default is not None:
        Scale.parse(default)
    return {name: Scale.parse(text) for name, text in texts.items() if text is not None}
