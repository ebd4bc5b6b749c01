"""The trainings of an experiment: each policy with each seed, and where it stands on disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from services.command_line.configuration import checked, load, load_mapping, merge, save_mapping
from services.command_line.failures import Failure
from services.command_line.output import replacing
from services.experiment.config import Experiment
from services.experiment.measures import Measures
from services.task_files.pool_tasks import TaskFile
from services.task_files.tasks import TaskSource
from services.trainer.config import TrainerConfig
from services.trainer.records import RECORDS, Records, read_records


@dataclass(frozen=True)
class Training:
    """One training; `config` is its trainer configuration, without a URL if the experiment serves the selector."""

    policy: str
    seed: int
    folder: Path
    config: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.policy}, seed {self.seed}"

    @property
    def config_file(self) -> Path:
        """The trainer's configuration file."""
        return self.folder.with_suffix(".yaml")

    @property
    def log_file(self) -> Path:
        """What the trainer says."""
        return self.folder.with_suffix(".log")

    @property
    def steps(self) -> int:
        """How many steps it is to take."""
        return self.config["training"]["steps"]

    @property
    def run(self) -> str:
        """The name of its run at the selector."""
        return self.config["selector"]["run"]

    @property
    def url(self) -> str | None:
        """Where its selector is; None if the experiment is to serve one."""
        return self.config["selector"].get("url")

    def records(self) -> Records:
        """What it has written so far. Raises `Failure` if that cannot be read."""
        try:
            return read_records(self.folder)
        except (OSError, ValueError) as error:
            raise Failure(str(error)) from error

    def measures(self, records: Records) -> Measures:
        """Figures of its records. Raises `Failure` if its tasks cannot be read."""
        source = TaskSource.model_validate(self.config["tasks"])
        return Measures(records, self.config["training"]["prompts"], _pool_size(source.model_dump_json()))

    def records_size(self) -> int:
        """How many bytes it has written, 0 before it has begun; it changes whenever there is something new."""
        path = self.folder / RECORDS
        return path.stat().st_size if path.exists() else 0

    def prepare(self, url: str) -> None:
        """Write the trainer's configuration, with the URL of its selector."""
        config = merge(self.config, {"selector": {"url": url}})
        self.config_file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.config_file) as unfinished:
            save_mapping(unfinished, config)

    def refuse_other_settings(self) -> None:
        """Raise `Failure` if it was begun with a configuration that would give other results."""
        if not self.folder.exists() or not self.config_file.exists():
            return
        begun = load_mapping(self.config_file)
        for config in (begun, expected := merge(self.config, {})):
            config["selector"] = {**config["selector"], "url": None}
        different = [name for name in {**begun, **expected} if begun.get(name) != expected.get(name)]
        if different:
            raise Failure(
                f"{self.folder} was begun with other settings in {', '.join(different)}: compare "
                f"{self.config_file}, then give the experiment another name and output"
            )


def load_experiment(file: Path) -> tuple[Experiment, list[Training]]:
    """Read an experiment and its trainings: all policies of a seed before the next seed.

    Raises `Failure` if the experiment, or the trainer's configuration of any training, is wrong.
    """
    experiment = load(file, Experiment)
    trainer = load_mapping(trainer_file(experiment, file))
    trainings = []
    for seed in experiment.seeds:
        for policy, changes in experiment.policies.items():
            folder = experiment.output / "trainings" / policy / f"seed-{seed}"
            own = {
                "seed": seed,
                "output": str(folder),
                "selector": {"run": f"{experiment.name}-{policy}-{seed}"},
            }
            training = Training(policy, seed, folder, merge(merge(trainer, changes), own))
            _check(training, file)
            trainings.append(training)
    return experiment, trainings


def trainer_file(experiment: Experiment, file: Path) -> Path:
    """Where the trainer's configuration of the experiment in a file is."""
    return file.parent / experiment.trainer


@cache
def _pool_size(source: str) -> int:
    tasks = TaskSource.model_validate_json(source)
    return len({task.id for _, task in islice(TaskFile(tasks.file, tasks.columns()), tasks.limit)})


def _check(training: Training, file: Path) -> None:
    about = Path(f"{file}, the trainer's configuration with policy {training.policy}")
    config = checked(merge({"selector": {"url": "http://127.0.0.1"}}, training.config), TrainerConfig, about)
    if config.evaluation is None:
        raise Failure(f"{about}, evaluation: nothing given; an experiment compares held-out accuracy")
