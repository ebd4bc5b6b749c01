import json
from pathlib import Path
from typing import Any

import pytest

from services.command_line.failures import Failure
from services.experiment.report import write_report
from services.trainer.records import StepRecord
from tests.services.experiment.conftest import FakeExperiment
from tests.services.experiment.records import step_record, write_training

RANDOM = [[0, 2, 4, 4]] * 4  # ETR 1/4
BOTS = [[1, 2, 3, 4]] * 4  # ETR 3/4


def steps(successes: list[list[int]], **about: Any) -> list[StepRecord]:
    return [step_record(number, row, **about) for number, row in enumerate(successes, 1)]


@pytest.fixture
def compared(fake: FakeExperiment) -> FakeExperiment:
    """Two seeds of two policies and one training that is not finished."""
    fake.changes["seeds"] = [0, 1, 2]
    trainings = fake.trainings()
    write_training(trainings["random-0"].folder, steps(RANDOM), [0.2, 0.2, 0.3, 0.3, 0.4])
    write_training(trainings["random-1"].folder, steps(RANDOM), [0.2, 0.3, 0.3, 0.4, 0.3])
    write_training(trainings["bots-0"].folder, steps(BOTS, tokens=50), [0.2, 0.3, 0.4, 0.4, 0.5])
    write_training(trainings["bots-1"].folder, steps(BOTS, tokens=100, mean=0.6), [0.2, 0.2, 0.3, 0.3, 0.3])
    write_training(trainings["bots-2"].folder, steps(BOTS), [0.2, 0.9, 0.9, 0.9, 0.9], finished=False)
    write_training(trainings["random-2"].folder, steps(RANDOM), [0.2, 0.2, 0.2, 0.2, 0.2])
    return fake


def row(report: str, title: str, policy: str) -> list[str]:
    """The cells of a policy in the table of a section."""
    section = report.split(f"## {title}\n")[1].split("\n## ")[0]
    line = next(line for line in section.splitlines() if line.startswith(f"| {policy} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def interval(form: str, *values: float) -> str:
    """The mean of two seeds' values, with Student's interval: give or take 12.706 times half their difference."""
    one, other = values
    mean, half = (one + other) / 2, 12.7062 * abs(one - other) / 2
    return f"{mean:{form}} ({mean - half:{form}} to {mean + half:{form}})"


def test_means_and_paired_differences_are_those_of_finished_seeds(compared: FakeExperiment):
    report = write_report(compared.file).path.read_text()
    assert row(report, "Result", "bots") == [
        "2",
        "0.750 (0.750 to 0.750)",
        "+0.500 (+0.500 to +0.500)",
        "0.200 (0.200 to 0.200)",
        interval(".3f", 0.5, 0.3),
        interval("+.3f", 0.1, 0.0),
        interval(".3f", 0.45, 0.3),  # of the last two evaluations
        interval("+.3f", 0.45 - 0.35, 0.3 - 0.35),
    ]
    random = row(report, "Result", "random")
    assert random[:3] == ["3", "0.250 (0.250 to 0.250)", "–"]
    assert random[4].startswith("0.300 (")


def test_costs_are_those_of_finished_seeds(compared: FakeExperiment):
    report = write_report(compared.file).path.read_text()
    assert row(report, "What it costs", "bots") == [
        "0.750 (0.750 to 0.750)",
        "0.200 (0.200 to 0.200)",  # 16 of 20 tasks were rolled out
        "0.1 (0.1 to 0.1)",
        "1.00 (1.00 to 1.00)",
        interval(".1f", 0.2, 0.4),
        interval(".2f", 0.5, 1.0),
        "2.00 (2.00 to 2.00)",
        "1.0 (1.0 to 1.0)",
    ]


def test_a_filter_trains_on_the_informative_groups_that_it_found(fake: FakeExperiment):
    fake.changes["seeds"] = [0]
    found = [[1, 2, 0, 4, 4, 3, 1, 2], [1, 0, 4, 0, 4, 4, 2, 0]]  # five and two of eight; a batch has four
    write_training(fake.trainings()["random-0"].folder, steps(found), [0.2, 0.3])
    assert row(write_report(fake.file).path.read_text(), "What it costs", "random")[0] == "0.750"


def test_times_are_ratios_of_the_same_seed_and_what_was_not_reached_is_said(compared: FakeExperiment):
    report = write_report(compared.file).path.read_text()
    # Seed 0: the gain is 0.2, reached by a half at step 2 (bots: 1), by three quarters and all of it at 4 (2).
    # Seed 1: by a half at step 1 (bots: 2), then at 3 (never in 4 steps). Seed 2 is not finished.
    title = "Cost of the baseline's accuracy"
    reached, bound = f"{interval('.2f', 0.5, 2.0)}, 2/2", "≥ 0.92, 1/2"
    assert row(report, title, "bots") == [
        *(reached, bound, bound),
        *(f"{interval('.2f', 0.25, 2.0)}, 2/2", "≥ 0.79, 1/2", "≥ 0.79, 1/2"),
        *(reached, bound, bound),
    ]
    # Random's third seed gained nothing, and has no time; the others take 2 and 1 steps of 16 rollouts.
    assert row(report, title, "random")[0] == "1 (24)"


def test_best_so_far_is_the_ratio_of_bests(compared: FakeExperiment):
    report = write_report(compared.file).path.read_text()
    assert row(report, "Best accuracy so far", "bots") == [
        interval(".2f", 0.3 / 0.2, 0.2 / 0.3),
        interval(".2f", 1.0, 4 / 3),
        interval(".2f", 0.75, 4 / 3),
        interval(".2f", 0.75, 1.25),
    ]


def test_calibration_is_that_of_the_means_at_selection(compared: FakeExperiment):
    report = write_report(compared.file).path.read_text()
    # Rates 1/4, 1/2, 3/4 and 1, forecast as 0.5 with one seed: (0.0625 + 0 + 0.0625 + 0.25) / 4;
    # and as 0.6 with the other: (0.1225 + 0.01 + 0.0225 + 0.16) / 4.
    error, brier, *others = row(report, "Calibration of the posterior", "bots")
    # One bin has a mean rate of 0.625 and forecasts of 0.5, another forecasts of 0.6.
    assert error == "0.075"
    assert brier == interval(".4f", 0.0937501, 0.0787501)
    assert others[:2] == [
        "0.0781 (0.0781 to 0.0781)",
        "0.0521 (0.0521 to 0.0521)",  # (3/16 + 1/4 + 3/16 + 0) / 3 / 4
    ]


def test_what_is_not_finished_is_named_and_left_out(compared: FakeExperiment):
    report = write_report(compared.file).path.read_text()
    assert "**1 of 6 trainings are not finished and left out**: bots, seed 2." in report


def test_the_report_has_its_pictures_its_numbers_and_the_setting(compared: FakeExperiment, tmp_path: Path):
    folder = tmp_path / "results" / "here"
    path = write_report(compared.file, folder).path
    assert path == folder / "report.md"
    report = path.read_text()
    for name in ("etr.png", "accuracy.png", "reliability.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
        assert f"({name})" in report
    assert "  steps: 4\n" in report
    assert '| random | `{"selector": {"create": {"policy": {"type": "random"}}}}` |' in report
    assert "the policies bots, random and the seeds 0, 1, 2." in report
    numbers = json.loads((folder / "figures.json").read_text())
    assert numbers["unfinished"] == [{"policy": "bots", "seed": 2}]
    bots = numbers["policies"]["bots"]
    assert bots["etr"] == {"mean": 0.75, "low": 0.75, "high": 0.75, "n": 2}
    assert bots["ttb"]["rollouts"]["1.0"] == {
        "mean": pytest.approx(11 / 12),
        "low": None,
        "high": None,
        "n": 2,
        "reached": 1,
    }
    accuracy = {"steps": 1, "rollouts": 16, "tokens": 50, "seconds": 2.0, "accuracy": 0.3}
    assert bots["by_seed"]["0"]["accuracy"][1] == accuracy


def test_a_baseline_that_is_not_finished_leaves_comparisons_out(fake: FakeExperiment):
    write_training(fake.trainings()["bots-0"].folder, steps(BOTS, mean=None), [0.2, 0.3])
    report = write_report(fake.file).path.read_text()
    assert row(report, "Result", "bots")[:3] == ["1", "0.750", "–"]
    assert row(report, "Cost of the baseline's accuracy", "bots") == ["–"] * 9
    assert row(report, "Best accuracy so far", "bots") == ["–"] * 4
    assert row(report, "Calibration of the posterior", "bots") == ["–"] * 6
    assert row(report, "Result", "random") == ["0"] + ["–"] * 7


def test_selections_without_the_selector_are_told_of(fake: FakeExperiment):
    fake.changes["seeds"] = [0]
    for name in ("bots-0", "random-0"):
        fallback = name == "bots-0"
        write_training(fake.trainings()[name].folder, steps(BOTS, fallback=fallback), [0.2, 0.3])
    report = write_report(fake.file).path.read_text()
    assert "**bots**: 4 selections were drawn uniformly by the client" in report
    assert "**random**: " not in report


def test_without_a_finished_training_there_is_no_report(fake: FakeExperiment):
    with pytest.raises(Failure, match="no training is done yet; `bots experiment run"):
        write_report(fake.file)


def test_the_questions_are_answered_and_the_rule_stands_beside(compared: FakeExperiment):
    asked = {"policy": "bots", "relation": "clearly above", "other": "random", "then": "it is the default"}
    compared.changes["questions"] = [asked]
    report = write_report(compared.file).path.read_text()
    section = report.split("## Decision\n")[1].split("\n## ")[0]
    line = next(line for line in section.splitlines() if line.startswith("* **Is bots"))
    assert line == (
        "* **Is bots clearly above random?** No: +0.0250 (-0.9280 to +0.9780), 2 seeds. If yes: it is the default."
    )
    assert "* **Clearly above**: yes if all of the interval is above 0" in section


def test_missing_seeds_are_listed_by_policy(fake: FakeExperiment):
    fake.changes["seeds"] = [0, 1, 2]
    write_training(fake.trainings()["bots-1"].folder, steps(BOTS), [0.2, 0.3])
    report = write_report(fake.file).path.read_text()
    assert "left out**: bots, seed 0, 2; random, seed 0, 1, 2." in report


def test_the_pictures_can_show_some_policies_alone(compared: FakeExperiment, tmp_path: Path):
    all_policies = (write_report(compared.file, tmp_path / "all").path.parent / "etr.png").read_bytes()
    compared.changes["pictured"] = ["bots"]
    assert (
        write_report(compared.file, tmp_path / "one").path.parent / "etr.png"
    ).read_bytes() != all_policies
