"""The words and tables of a report."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from services.command_line.configuration import load_mapping
from services.experiment.comparison import COSTS, GAIN_SHARES, TRAINING_SHARES, PolicyFigures
from services.experiment.config import Experiment
from services.experiment.questions import RULE
from services.experiment.statistics import Estimate, Reached
from services.experiment.trainings import Training, trainer_file

NOTHING = "–"

DEFINITIONS = """\
* **Intervals** are Student's 95 % intervals of the mean over seeds, of differences and ratios as of all else; a
  difference or ratio is taken seed by seed, with the baseline's training of the same seed, before it is averaged.
  Nothing is adjusted for the number of comparisons. Seeds vary the training's and the selector's random numbers;
  the tasks, the model at the start and the references are the same for all, so the intervals say nothing of other
  tasks or models.
* **ETR**, effective task ratio: the share of a step's tasks whose rollouts neither all passed nor all failed,
  averaged over all steps. Tasks whose groups were filtered out count, too: they were rolled out.
* **Held-out accuracy**: the mean pass rate on tasks that are not trained on, sampled as rollouts are.
* **Rollout tokens**: all completion tokens that training generated, also of groups that were filtered out;
  evaluation is not counted.
* **Late accuracy**: the mean held-out accuracy of the evaluations in the last third of training.
* **Informative**: the share of the groups trained on whose rewards were not all equal. A filter leaves the others
  out and rolls out more; without one it is the ETR.
* **Never selected**: the share of the pool's tasks that were not rolled out once.
* **TTB(x)**, time to baseline (a measure of the BOTS paper, arXiv 2510.26374): what a policy has spent, in
  rollouts, tokens or seconds of training, at its first evaluation with the accuracy b₀ + x · (b − b₀), over what
  the baseline has spent at its first; b₀ is the baseline's accuracy before training and b its best, with the same
  seed. Below 1 is cheaper. Evaluations are every so many steps, which makes it coarse. n/m: n of m seeds reached
  the target. A seed that did not counts with the end of its training, which is less than it would need: "≥" marks
  that the mean is a lower bound, and there is no interval. A seed in which the baseline gained nothing has no
  target and is left out of m. The baseline's own row has what it spent.
* **BSF(y)**, best so far (likewise): a policy's best accuracy in the first y of training, over the baseline's
  best in as many steps, with the same seed. Above 1 is better. The accuracy before training counts.
* **Brier score**: the mean squared difference between the posterior mean at which a task was selected and its
  pass rate in that batch. It is reliability − resolution + base rate (bins of 0.1; resolution with the terms
  within bins of Stephenson, Coelho and Jolliffe 2008): reliability is what wrong forecasts cost, resolution
  what telling tasks apart gains, and the base rate is the variance of pass rates, the score of always
  forecasting their mean. Noise is what the true success probabilities would score, since a few rollouts
  scatter (for rewards of 0 and 1). Policies select different tasks: compare a policy's score with its own
  base rate and noise.
* **Calibration error**, expected: over the tasks of all seeds in ten bins of their forecasts, the mean of how far a
  bin's mean forecast is from its mean pass rate.
* **Selector**: the share of the steps' time spent in select and report."""


def report_text(
    experiment: Experiment,
    file: Path,
    trainings: Sequence[Training],
    unfinished: Sequence[Training],
    figures: Mapping[str, PolicyFigures],
    answers: Sequence[str],
) -> str:
    """The whole report, in Markdown, for a folder that has the pictures."""
    parts = [
        f"# Experiment {experiment.name}",
        f"The same training with the policies {', '.join(experiment.policies)} and the seeds "
        f"{', '.join(map(str, experiment.seeds))}. The others are compared with **{experiment.baseline}**. Made by "
        f"`bots experiment run {file}` and `bots experiment report {file}`.",
        *_warnings(trainings, unfinished, figures),
        *_decision(answers),
        "## Result",
        _result(experiment.baseline, figures),
        "![Effective task ratio over steps](etr.png)",
        "![Held-out accuracy against steps and rollout tokens](accuracy.png)",
        "## What it costs",
        _costs(experiment.baseline, figures),
        "## Cost of the baseline's accuracy",
        _times(experiment.baseline, figures),
        "## Best accuracy so far",
        _best(figures),
        "## Calibration of the posterior",
        _calibration(figures),
        "![Reliability](reliability.png)",
        "## Definitions",
        DEFINITIONS,
        "## Setting",
        _setting(experiment, file),
    ]
    return "\n\n".join(parts) + "\n"


def _warnings(
    trainings: Sequence[Training], unfinished: Sequence[Training], figures: Mapping[str, PolicyFigures]
) -> Iterable[str]:
    if unfinished:
        seeds = {
            policy: ", ".join(str(training.seed) for training in each)
            for policy, each in groupby(
                sorted(unfinished, key=lambda training: training.policy), lambda training: training.policy
            )
        }
        names = "; ".join(f"{policy}, seed {numbers}" for policy, numbers in seeds.items())
        yield f"**{len(unfinished)} of {len(trainings)} trainings are not finished and left out**: {names}."
    for policy, own in figures.items():
        if own.fallback_selections:
            yield (
                f"**{policy}**: {own.fallback_selections} selections were drawn uniformly by the client, while the "
                "selector was away."
            )


def _decision(answers: Sequence[str]) -> Iterable[str]:
    if answers:
        yield "## Decision"
        yield "\n".join(f"* {answer}" for answer in answers)
        yield RULE


def _result(baseline: str, figures: Mapping[str, PolicyFigures]) -> str:
    def row(policy: str, own: PolicyFigures) -> list[str]:
        return [
            str(len(own.seeds)),
            _interval(own.etr),
            _against(policy, baseline, own.etr_difference, _difference),
            _interval(own.start_accuracy),
            _interval(own.final_accuracy),
            _against(policy, baseline, own.final_accuracy_difference, _difference),
            _interval(own.late_accuracy),
            _against(policy, baseline, own.late_accuracy_difference, _difference),
        ]

    head = ["seeds", "ETR", f"ETR − {baseline}'s", "accuracy before", "after", f"after − {baseline}'s"]
    head += ["late accuracy", f"late − {baseline}'s"]
    return _table(head, figures, row)


def _costs(baseline: str, figures: Mapping[str, PolicyFigures]) -> str:
    def row(policy: str, own: PolicyFigures) -> list[str]:
        return [
            _interval(own.informative_share),
            _interval(own.never_selected),
            _interval(own.rollouts, _thousands),
            _against(policy, baseline, own.rollouts_ratio, _plain),
            _interval(own.tokens, _thousands),
            _against(policy, baseline, own.tokens_ratio, _plain),
            _interval(own.step_seconds, _plain),
            _interval(own.selector_share, lambda value: f"{100 * value:.1f}"),
        ]

    head = ["informative", "never selected", "rollouts, thousands", f"over {baseline}'s"]
    head += ["rollout tokens, thousands", f"over {baseline}'s", "seconds a step", "selector, %"]
    return _table(head, figures, row)


def _times(baseline: str, figures: Mapping[str, PolicyFigures]) -> str:
    def row(policy: str, own: PolicyFigures) -> list[str]:
        if policy == baseline:
            return [f"1 ({_mean(own.own_gain[unit][share])})" for unit in COSTS for share in GAIN_SHARES]
        return [_reached(own.ttb[unit][share]) for unit in COSTS for share in GAIN_SHARES]

    return _table([f"TTB({share:.0%}), {unit}" for unit in COSTS for share in GAIN_SHARES], figures, row)


def _best(figures: Mapping[str, PolicyFigures]) -> str:
    head = [f"BSF({share:.0%})" for share in TRAINING_SHARES]
    return _table(
        head, figures, lambda _, own: [_interval(own.bsf[share], _plain) for share in TRAINING_SHARES]
    )


def _calibration(figures: Mapping[str, PolicyFigures]) -> str:
    def row(_: str, own: PolicyFigures) -> list[str]:
        score = own.calibration
        parts = (score.brier, score.uncertainty, score.sampling_noise, score.reliability, score.resolution)
        error = NOTHING if score.error is None else f"{score.error:.3f}"
        return [error, *(_interval(part, lambda value: f"{value:.4f}") for part in parts)]

    return _table(
        ["calibration error", "Brier score", "base rate", "noise", "reliability", "resolution"], figures, row
    )


def _setting(experiment: Experiment, file: Path) -> str:
    trainer = trainer_file(experiment, file)
    policies = "\n".join(
        f"| {policy} | `{json.dumps(changes, ensure_ascii=False)}` |"
        for policy, changes in experiment.policies.items()
    )
    return (
        "Each policy changes the trainer's configuration, which stands below:\n\n"
        f"| policy | changes |\n|---|---|\n{policies}\n\n`{trainer}`:\n\n"
        f"```yaml\n{_yaml(load_mapping(trainer))}```"
    )


def _yaml(mapping: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(mapping), sort_keys=False, allow_unicode=True)


def _table(
    head: Sequence[str],
    figures: Mapping[str, PolicyFigures],
    row: Callable[[str, PolicyFigures], Sequence[str]],
) -> str:
    lines = [["policy", *head], ["---"] * (len(head) + 1)]
    lines += [[policy, *row(policy, own)] for policy, own in figures.items()]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _against(policy: str, baseline: str, estimate: Estimate | None, number: Callable[[float], str]) -> str:
    return NOTHING if policy == baseline else _interval(estimate, number)


def _interval(estimate: Estimate | None, number: Callable[[float], str] | None = None) -> str:
    """`mean (low to high)`."""
    number = number or (lambda value: f"{value:.3f}")
    if estimate is None:
        return NOTHING
    if estimate.low is None or estimate.high is None:
        return number(estimate.mean)
    return f"{number(estimate.mean)} ({number(estimate.low)} to {number(estimate.high)})"


def _reached(times: Reached | None) -> str:
    if times is None:
        return NOTHING
    bound = "≥ " if times.reached < times.n else ""
    estimate = Estimate(times.mean, times.low, times.high, times.n)
    return f"{bound}{_interval(estimate, _plain)}, {times.reached}/{times.n}"


def _mean(estimate: Estimate | None) -> str:
    return NOTHING if estimate is None else f"{estimate.mean:,.0f}"


def _thousands(value: float) -> str:
    return f"{value / 1000:,.1f}"


def _plain(value: float) -> str:
    return f"{value:.2f}"


def _difference(value: float) -> str:
    return f"{value:+.3f}"
