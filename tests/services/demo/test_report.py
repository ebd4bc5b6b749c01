from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from services.demo.arm import Evaluation, Step
from services.demo.report import Records, draw, live_table, result_table


@pytest.fixture
def records() -> Records:
    """Two steps of both arms, evaluated before, between and after."""
    records = Records()
    told = {"random": ([0.25, 0.25], [0.1, 0.15, 0.2]), "BOTS": ([0.5, 1.0], [0.1, 0.3, 0.25])}
    for policy, (etrs, accuracies) in told.items():
        for step, accuracy in enumerate(accuracies):
            records.add(Evaluation(policy, step, accuracy))
        for step, etr in enumerate(etrs, start=1):
            records.add(Step(policy, step, 0.5, etr, {"words": 0.5, "numbers": None}, 3.0, 4.0))
    return records


def printed(table: object) -> str:
    console = Console(width=120, file=StringIO())
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def rows(text: str, policy: str) -> list[list[str]]:
    lines = [[cell.strip() for cell in line.strip("│ ").split("│")] for line in text.splitlines()]
    return [line for line in lines if policy in line]


def test_result_has_etr_accuracy_and_steps_to_randoms_final_accuracy(records: Records):
    text = printed(result_table({0: records}))
    assert "1 seed (0)" in text
    assert rows(text, "random") == [["0", "random", "0.250", "0.100", "0.150", "0.200", "2"]]
    assert rows(text, "BOTS") == [["0", "BOTS", "0.750", "0.100", "0.300", "0.250", "1"]]


def test_an_accuracy_never_reached_is_said(records: Records):
    records.add(Evaluation("random", 3, 0.9))
    records.add(Evaluation("BOTS", 3, 0.8))
    assert rows(printed(result_table({0: records})), "BOTS")[0][-1] == "not reached"


def test_several_seeds_get_a_mean(records: Records):
    text = printed(result_table({0: records, 1: records}))
    assert "2 seeds (0, 1)" in text
    assert rows(text, "BOTS")[-1][:4] == ["mean", "BOTS", "0.750", "0.100"]


def test_the_live_table_shows_where_each_arm_stands(records: Records):
    text = printed(live_table(records, steps=2))
    assert rows(text, "BOTS")[0] == ["BOTS", "2", "0.50", "0.75", "words 0.50", "0.250", "3 ms", "4 ms"]
    assert "numbers –" in text
    assert rows(printed(live_table(Records(), steps=2)), "random")[0][1] == "0"


def test_the_picture_is_a_png(records: Records, tmp_path: Path):
    draw({0: records, 1: records}, tmp_path / "folder" / "demo.png")
    assert (tmp_path / "folder" / "demo.png").read_bytes().startswith(b"\x89PNG")
