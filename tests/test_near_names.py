"""What somebody meant who mistyped a name."""

from __future__ import annotations

import pytest

from selector_api.near_names import hint, near_names, shown


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("guru", ["gruu", "math"], ["gruu"]),
        ("tempreature", ["target", "temperature"], ["temperature"]),
        ("a", ["b", "c"], []),
        ("run-1", [], []),
        ("run-500", [f"run-{n}" for n in range(5_000)], ["run-500"]),
    ],
)
def test_the_nearest_names(name: str, known: list[str], near: list[str]) -> None:
    assert near_names(name, known)[:1] == near


def test_of_few_names_without_a_near_one_all_are_said() -> None:
    assert hint("x", ["math", "code"]) == "; there are: 'math', 'code'"
    assert hint("x", [f"task-{n}" for n in range(11)]) == ""
    assert hint("x", ()) == ""


def test_a_name_is_shown_on_one_line_and_bounded() -> None:
    assert shown("a\nb") == "'a?b'"
    assert shown("x" * 300) == f"'{'x' * 80}…'"
