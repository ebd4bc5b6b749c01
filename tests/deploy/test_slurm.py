"""deploy/slurm on a real Slurm cluster of two nodes: `make test-slurm`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy import slurm_training
from tests.deploy.manifests import ROOT
from tests.docs.blocks import block, shell
from tests.service import Service
from trainer_client import SelectorClient

pytestmark = [
    pytest.mark.timeout(2000),
    pytest.mark.skipif("BOTS_TEST_SLURM" not in os.environ, reason="make test-slurm runs it"),
]

STEPS = 12
BOTS = """\
#!/bin/sh
if [ "$1" = train ]; then shift; exec {python} -m tests.deploy.slurm_training "$@"; fi
exec {bots} "$@"
"""
"""The `bots` of the jobs: trainings are stood for by one without a model."""
OTHER = {"node1": "node2", "node2": "node1"}


def slurm(*command: str | Path) -> str:
    """What a command of Slurm's says."""
    ended = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{command}: {ended.stderr}"
    return ended.stdout.strip()


def until(found: Callable[[], bool], what: Callable[[], object], seconds: float = 400) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, what()
        time.sleep(0.2)


class Cluster:
    """The jobs of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shared = folder / "shared"
        programs = folder / "venv" / "bin"
        for made in (self.shared, programs):
            made.mkdir(parents=True)
        (programs / "bots").write_text(
            BOTS.format(python=sys.executable, bots=Path(sys.executable).with_name("bots"))
        )
        (programs / "bots").chmod(0o755)
        self.jobs: list[str] = []

    def submit(self, script: str, *arguments: str | Path) -> str:
        """Submit one of the scripts, as they are but for what this cluster has none of; its id."""
        options = ["--gpus=0", f"--output={self.folder}/{script}.log"]
        variables = f"ALL,BOTS_FOLDER={self.shared},BOTS_VENV={self.folder / 'venv'}"
        job = slurm(
            "sbatch",
            "--parsable",
            *options,
            f"--export={variables}",
            f"deploy/slurm/{script}.sbatch",
            *arguments,
        )
        self.jobs.append(job)
        return job

    def log(self, script: str) -> str:
        return (self.folder / f"{script}.log").read_text()

    def state(self, job: str) -> dict[str, str]:
        """What Slurm knows of a job."""
        words = slurm("scontrol", "--oneliner", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def requeue(self, job: str, *, move: bool = False) -> None:
        """Requeue as a preemption does; to move, the job's node takes no more jobs for the time."""
        node = self.state(job)["NodeList"]
        if move:
            slurm("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
        slurm("scontrol", "requeue", job)
        if move:
            self.runs(job, on=OTHER[node])
            slurm("scontrol", "update", f"NodeName={node}", "State=RESUME")

    def runs(self, job: str, on: str) -> None:
        """Wait until the job runs on this node."""
        until(
            lambda: (self.state(job)["JobState"], self.state(job)["NodeList"]) == ("RUNNING", on),
            lambda: self.state(job),
        )

    def allow(self, step: int) -> None:
        """Let the training go on until so many steps are reported, and wait until they are."""
        unfinished = self.shared / "goal.new"
        unfinished.write_text(str(step))
        unfinished.replace(self.shared / "goal")
        self.wait_for_step(step)

    def wait_for_step(self, step: int) -> None:
        checkpoint = self.shared / "step"
        until(
            lambda: checkpoint.exists() and int(checkpoint.read_text()) == step,
            lambda: (
                [self.state(job) for job in self.jobs]
                + [each.read_text() for each in self.folder.glob("*.log")]
            ),
        )

    def ended(self, job: str) -> str:
        """The state in which a job ends."""
        states = ("COMPLETED", "CANCELLED", "FAILED", "TIMEOUT")
        until(lambda: self.state(job)["JobState"] in states, lambda: self.state(job))
        return self.state(job)["JobState"]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    yield cluster
    for job in cluster.jobs:
        subprocess.run(["scancel", "--quiet", job], check=False)
    for job in cluster.jobs:
        cluster.ended(job)


def evidence(client: SelectorClient) -> list[Any]:
    """Each step's tasks and outcomes, and all posteriors; a part of a selection's id is random."""
    steps = [
        (event["type"], event.get("tasks"), list(event.get("outcomes", {}).values()))
        for event in client.events()
        if event["type"] in ("selected", "committed")
    ]
    return [*steps, *(row.model_dump() for row in client.posteriors())]


def of_data(folder: Path) -> list[Any]:
    """The evidence in a data folder."""
    token = folder.with_name("token-read").read_text().strip()
    with Service(folder) as service, SelectorClient(service.url, slurm_training.RUN, token=token) as client:
        found = evidence(client)
        assert service.stop() == 0
    return found


def undisturbed(folder: Path) -> list[Any]:
    """The evidence of the same training without a cluster."""
    with Service(folder) as service, SelectorClient(service.url, slurm_training.RUN) as client:
        slurm_training.make_run(client)
        for step in range(STEPS):
            slurm_training.do_step(client, step)
        return evidence(client)


def test_requeues_and_other_nodes_lose_and_double_nothing(cluster: Cluster) -> None:
    shared = cluster.shared
    (shared / "goal").write_text("0")
    training = cluster.submit("trainer", shared)
    selector = cluster.submit("selector")
    cluster.allow(3)
    first, node = (shared / "url").read_text(), cluster.state(selector)["NodeList"]

    cluster.requeue(selector, move=True)
    cluster.allow(6)  # The training, which holds a selection, finds the service where it is now.
    assert cluster.state(selector)["NodeList"] == OTHER[node]
    assert (shared / "url").read_text() != first

    cluster.requeue(training, move=True)
    cluster.allow(9)  # It asks again for the selection that it held.
    assert "going on after step 6" in cluster.log("trainer")

    for job in (selector, training):
        cluster.requeue(job)
    cluster.allow(STEPS)
    assert cluster.ended(training) == "COMPLETED"
    slurm("scancel", "--full", selector)
    assert cluster.ended(selector) == "CANCELLED"

    said = cluster.log("selector")
    assert said.count("serves at") == 3
    assert "error" not in said.lower().replace("error: *** ", ""), said
    assert "Traceback" not in said
    assert of_data(shared / "data") == undisturbed(cluster.folder / "undisturbed")


def test_selector_and_training_in_one_job(cluster: Cluster) -> None:
    shared = cluster.shared
    (shared / "goal").write_text("0")
    job = cluster.submit("joined", shared)
    cluster.allow(5)
    cluster.requeue(job, move=True)
    cluster.allow(8)
    slurm("scancel", "--batch", "--signal=USR1", job)  # as Slurm does before the time limit
    cluster.allow(STEPS)
    assert cluster.state(job)["Restarts"] == "2"
    assert cluster.ended(job) == "COMPLETED"
    assert of_data(shared / "data") == undisturbed(cluster.folder / "undisturbed")


def test_what_the_page_says_is_typed(cluster: Cluster) -> None:
    """In a checkout whose owner has nothing but what `make install` made, and a training."""
    page, home = "docs/how-to/slurm.md", cluster.folder / "home"
    cluster.shared = home / "bots"
    cluster.shared.mkdir(parents=True)
    checkout = home / "checkout"
    checkout.mkdir()
    for name, place in (
        ("deploy", ROOT / "deploy"),
        (".venv", cluster.folder / "venv"),
        ("training.yaml", cluster.shared),  # the folder is what the training in its place wants
    ):
        (checkout / name).symlink_to(place)
    (cluster.shared / "goal").write_text(str(STEPS))
    variables = {"HOME": str(home), "SBATCH_GPUS": "0"}
    submit, look = block(page, "export BOTS_FOLDER"), block(page, "export SELECTOR_URL_FILE")
    cluster.jobs += re.findall(r"Submitted batch job (\d+)", shell(submit, checkout, variables))
    selector, training = cluster.jobs
    cluster.wait_for_step(STEPS)
    assert cluster.ended(training) == "COMPLETED"
    folder = submit.splitlines()[0]
    assert slurm_training.RUN in shell(f"{folder}\n{look}", checkout, variables)
    slurm("scancel", "--full", selector)
    cluster.ended(selector)
