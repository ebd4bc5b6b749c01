"""The kinds of tasks, all from reasoning-gym: words and lists for the demo, grids and sums for a second experiment.

A question of reasoning-gym is a paragraph; the models here have a hundred thousand parameters or two. So a task is
written down shortly, with all that the question gives: "Spell this word backward (example: sun -> nus): splat"
becomes "Bsplat=". Answers are scored by reasoning-gym's own scorers.
"""

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import isqrt
from typing import Any

Entry = dict[str, Any]


@dataclass(frozen=True)
class Form:
    """How answers are written: `shorten` turns reasoning-gym's into the model's text, `restore` turns it back."""

    shorten: Callable[[str], str]
    restore: Callable[[str], str]


@dataclass(frozen=True)
class Kind:
    """One of reasoning-gym's datasets: its domain here, its configs (easiest first), its prompts, its answers.

    The model is not taught the last `untaught` levels: it has to fail there.
    """

    domain: str
    levels: tuple[Mapping[str, float], ...]
    prompt: Callable[[Entry], str]
    form: Form
    untaught: int = 0

    @property
    def taught(self) -> "Kind":
        """The same without the levels that are not taught."""
        return replace(self, levels=self.levels[: len(self.levels) - self.untaught])


def _numbers(values: Iterable[str]) -> str:
    return " ".join(str(round(float(value))) for value in values)


def _sorting(entry: Entry) -> str:
    about = entry["metadata"]
    direction = "<" if about["direction"] == "ascending" else ">"
    return f"S{direction}{_numbers(about['original_numbers'])}="


def _filtering(entry: Entry) -> str:
    about = entry["metadata"]
    operation, side = about["operation"].split("_")  # keep or remove, larger or smaller
    sign = {"larger": ">", "smaller": "<"}[side]
    return f"{operation[0].upper()}{sign}{_numbers([about['filter_value']])}:{_numbers(about['original_numbers'])}="


def _digits(text: str) -> str:
    """Each character apart, so that a number is read and written digit by digit."""
    return " ".join(text.replace(" ", ""))


def _cells(entry: Entry) -> str:
    return ",".join(" ".join(map(str, row)) for row in entry["metadata"]["matrix"])


def _square(cells: list[str]) -> str:
    side = isqrt(len(cells)) or 1
    return "\n".join(" ".join(cells[at : at + side]) for at in range(0, len(cells), side))


WORD = Form(shorten=str.lower, restore=lambda text: text.replace(" ", ""))
LIST = Form(shorten=lambda answer: _numbers(ast.literal_eval(answer)), restore=lambda text: str(text.split()))
LIST_LEVELS = tuple(
    {"min_numbers": n, "max_numbers": n, "max_decimals": 0, "min_value": 0, "max_value": 99}
    for n in (3, 5, 7, 9)
)
WORDS_AND_LISTS = {
    "spell_backward": Kind(
        "words",
        tuple({"min_word_len": n, "max_word_len": n + 1} for n in (3, 5, 7, 9)),
        lambda entry: f"B{entry['metadata']['word'].lower()}=",
        WORD,
    ),
    "palindrome_generation": Kind(
        "words",
        tuple({"min_length": n, "max_length": n + 1} for n in (4, 6, 8, 10)),
        lambda entry: f"P{''.join(entry['metadata']['letters'])}=",
        WORD,
    ),
    "number_sorting": Kind("numbers", LIST_LEVELS, _sorting, LIST),
    "number_filtering": Kind("numbers", LIST_LEVELS, _filtering, LIST),
}

NUMBER = Form(shorten=_digits, restore=lambda text: text.replace(" ", ""))
ROW = Form(shorten=str, restore=str)
SQUARE = Form(shorten=lambda answer: " ".join(answer.split()), restore=lambda text: _square(text.split()))
GRIDS_AND_SUMS = {
    "spiral_matrix": Kind(
        "shapes",
        tuple({"min_n": n, "max_n": n} for n in (2, 3, 4)),
        lambda entry: f"S{_cells(entry)}=",
        ROW,
        untaught=1,
    ),
    "rotate_matrix": Kind(
        "shapes",
        tuple(
            {"min_n": n, "max_n": n, "min_rotations": least, "max_rotations": most}
            for n, least, most in ((2, 1, 3), (3, 1, 1), (3, 1, 3), (4, 1, 3))
        ),
        lambda entry: f"R{entry['metadata']['num_rotations']}:{_cells(entry)}=",
        SQUARE,
        untaught=1,
    ),
    "binary_matrix": Kind(
        "distances",
        tuple(
            {"min_n": n, "max_n": n, "p_zero": zeros}
            for n, zeros in ((3, 0.5), (3, 0.25), (4, 0.5), (4, 0.25))
        ),
        lambda entry: f"D{_cells(entry)}=",
        SQUARE,
    ),
    "chain_sum": Kind(
        "sums",
        tuple(
            {"min_terms": terms, "max_terms": terms, "min_digits": digits, "max_digits": digits}
            for terms, digits in ((3, 1), (2, 2), (3, 2), (3, 3))
        ),
        lambda entry: _digits(f"{entry['metadata']['expression']}="),
        NUMBER,
        untaught=1,
    ),
}

SETS = {"words and lists": WORDS_AND_LISTS, "grids and sums": GRIDS_AND_SUMS}
KINDS = WORDS_AND_LISTS | GRIDS_AND_SUMS
