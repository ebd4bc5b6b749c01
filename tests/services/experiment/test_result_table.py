from io import StringIO
from pathlib import Path

from rich.console import Console

from services.experiment.comparison import Seeds
from services.experiment.measures import Measures
from services.experiment.result_table import result_table
from services.trainer.records import read_records
from tests.services.experiment.records import step_record, write_training

RANDOM, BOTS = [0, 2, 4, 4], [1, 2, 3, 4]  # ETR 1/4 and 3/4


def seed(folder: Path, successes: list[int], accuracy: list[float]) -> Measures:
    """A training with a step between evaluations."""
    steps = [step_record(number, successes) for number in range(1, len(accuracy))]
    write_training(folder, steps, accuracy)
    return Measures(read_records(folder), prompts=4, pool_size=100)


def rows(policies: dict[str, Seeds]) -> tuple[str, dict[str, list[str]]]:
    out = StringIO()
    Console(file=out, width=120).print(result_table(policies, "random"))
    lines = [line.strip().replace("│", " ").split() for line in out.getvalue().splitlines()]
    return out.getvalue(), {line[0]: line[1:] for line in lines if line and line[0] in policies}


def test_result_has_etr_accuracy_and_steps_to_the_baselines_final_accuracy(tmp_path: Path):
    text, told = rows(
        {
            "random": {0: seed(tmp_path / "random", RANDOM, [0.1, 0.15, 0.2])},
            "bots": {0: seed(tmp_path / "bots", BOTS, [0.1, 0.3, 0.25])},
        }
    )
    assert "Result: 1 seed (0)" in text
    assert told == {
        "random": ["0.250", "0.100", "0.150", "0.200", "2"],
        "bots": ["0.750", "0.100", "0.300", "0.250", "1"],
    }


def test_an_accuracy_never_reached_is_said(tmp_path: Path):
    _, told = rows(
        {
            "random": {0: seed(tmp_path / "random", RANDOM, [0.1, 0.9])},
            "bots": {0: seed(tmp_path / "bots", BOTS, [0.1, 0.8])},
        }
    )
    assert told["bots"][-2:] == ["not", "reached"]


def test_several_seeds_get_a_mean(tmp_path: Path):
    text, told = rows(
        {
            "random": {
                number: seed(tmp_path / f"random-{number}", RANDOM, [0.1, 0.15, 0.2]) for number in (0, 1)
            },
            "bots": {
                0: seed(tmp_path / "bots-0", BOTS, [0.1, 0.3, 0.4]),
                1: seed(tmp_path / "bots-1", BOTS, [0.3, 0.1, 0.2]),
                2: seed(tmp_path / "bots-2", BOTS, [0.2, 0.2, 0.3]),  # random's is not finished
            },
        }
    )
    assert "Result: 3 seeds (0, 1, 2)" in text
    assert told["bots"] == ["0.750", "0.200", "0.200", "0.300", "0"]  # at steps 1 and 0
    _, told = rows({"random": {0: seed(tmp_path / "random-2", RANDOM, [0.1, 0.9])}, "bots": {}})
    assert told["bots"] == ["–"] * 4


def test_some_seeds_that_never_reach_it_are_counted(tmp_path: Path):
    random = {number: seed(tmp_path / f"random-{number}", RANDOM, [0.1, 0.2]) for number in (0, 1)}
    bots = {number: seed(tmp_path / f"bots-{number}", BOTS, [0.1, 0.1 + number]) for number in (0, 1)}
    _, told = rows({"random": random, "bots": bots})
    assert told["bots"][-4:] == ["1", "of", "2", "seeds"]


def test_of_many_evaluations_some_are_shown_the_last_one_among_them(tmp_path: Path):
    text, told = rows({"random": {0: seed(tmp_path, RANDOM, [step / 10 for step in range(8)])}})
    assert told["random"] == ["0.250", "0.100", "0.300", "0.500", "0.700", "7"]
    assert "at 1 " in text
