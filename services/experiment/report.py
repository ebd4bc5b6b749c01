"""The report of an experiment: report.md, its pictures, and figures.json with all numbers."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from services.command_line.failures import PASSING, Failure
from services.experiment import pictures
from services.experiment.comparison import PolicyFigures, compare
from services.experiment.measures import Measures
from services.experiment.questions import answer
from services.experiment.result_table import result_table
from services.experiment.text import report_text
from services.experiment.trainings import load_experiment

PICTURES = {
    "etr.png": pictures.draw_etr,
    "accuracy.png": pictures.draw_accuracy,
    "reliability.png": pictures.draw_reliability,
}


@dataclass(frozen=True)
class Report:
    """A report that is written, and a table of its main figures."""

    path: Path
    table: Table

    @property
    def picture(self) -> Path:
        """Held-out accuracy, as a PNG."""
        return self.path.with_name("accuracy.png")


def write_report(file: Path, output: Path | None = None) -> Report:
    """Write the report of the experiment in a file to a folder (None: the experiment's).

    Only finished trainings count; the report names the others. Raises `Failure` if none is finished.
    """
    experiment, trainings = load_experiment(file)
    policies: dict[str, dict[int, Measures]] = {policy: {} for policy in experiment.policies}
    unfinished = []
    for training in trainings:
        records = training.records()
        if records.finished:
            policies[training.policy][training.seed] = training.measures(records)
        else:
            unfinished.append(training)
    if len(unfinished) == len(trainings):
        raise Failure(
            f"{experiment.output}: no training is done yet; `bots experiment run {file}` does them", PASSING
        )
    figures = compare(policies, experiment.baseline)
    answers = [answer(question, policies) for question in experiment.questions]
    folder = output or experiment.output
    folder.mkdir(parents=True, exist_ok=True)
    pictured = {policy: policies[policy] for policy in experiment.pictured} or policies
    for name, draw in PICTURES.items():
        draw(pictured, experiment.baseline, folder / name)
    numbers = {
        "name": experiment.name,
        "baseline": experiment.baseline,
        "unfinished": [{"policy": training.policy, "seed": training.seed} for training in unfinished],
        "questions": answers,
        "policies": {policy: _numbers(figures[policy], policies[policy]) for policy in policies},
    }
    text = json.dumps(numbers, indent=1, allow_nan=False, ensure_ascii=False)
    (folder / "figures.json").write_text(text + "\n", encoding="utf-8")
    path = folder / "report.md"
    path.write_text(report_text(experiment, file, trainings, unfinished, figures, answers), encoding="utf-8")
    return Report(path, result_table(policies, experiment.baseline))


def _numbers(figures: PolicyFigures, seeds: Mapping[int, Measures]) -> dict[str, Any]:
    each = {
        seed: {
            "steps": own.steps,
            "etr": float(own.etr.mean()),
            "late_accuracy": own.late_accuracy,
            "informative_share": own.informative_share,
            "never_selected": own.never_selected,
            "rollouts": own.rollouts,
            "tokens": own.tokens,
            "step_seconds": own.step_seconds,
            "selector_share": own.selector_share,
            "accuracy": [
                {**{unit: curve[at][0] for unit, curve in own.accuracy_by.items()}, "accuracy": seen.accuracy}
                for at, seen in enumerate(own.records.evaluations)
            ],
        }
        for seed, own in seeds.items()
    }
    return asdict(figures) | {"by_seed": each}
