"""The image in Charliecloud, by what the page on Slurm says to type: `make test-compose`, where `ch-run` is."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.deploy.manifests import ROOT
from tests.docs.blocks import block, going_on, shell
from trainer_client import SelectorClient, Task

pytestmark = [
    pytest.mark.compose,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("BOTS_TEST_DOCKER" not in os.environ, reason="make test-compose runs it"),
    pytest.mark.skipif(shutil.which("ch-run") is None, reason="needs Charliecloud (Debian: charliecloud)"),
]


@pytest.fixture
def home() -> Iterator[Path]:
    """Somebody's, with the image: not below /tmp, which Charliecloud shows as it is."""
    if not subprocess.run(["docker", "images", "--quiet", "bots-selector:0.3.0"], capture_output=True).stdout:
        command = [
            "docker",
            "build",
            "--tag",
            "bots-selector:0.3.0",
            "--file",
            "selector_api/Dockerfile",
            ".",
        ]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with TemporaryDirectory(dir="/var/tmp", prefix="bots-home.") as folder:
        yield Path(folder)


def test_the_service_runs_in_it_and_keeps_its_folder(home: Path) -> None:
    page = "docs/how-to/slurm.md"
    variables = {"HOME": str(home), "USER": os.environ.get("USER", "root")}
    folder = block(page, "export BOTS_FOLDER").splitlines()[0]
    *convert, by_container = block(page, "ch-convert").splitlines()
    shell("\n".join([folder, "mkdir -p $BOTS_FOLDER", *convert]), ROOT, variables)
    serve = f"{folder}\n{by_container}\nbash deploy/slurm/selector.sbatch 2>&1"
    for step in range(2):
        with going_on(serve, ROOT, '"serving"', variables):
            url, token = ((home / "bots" / name).read_text().strip() for name in ("url", "token-admin"))
            with SelectorClient(url, run="run", token=token) as client:
                if not step:
                    client.create_pool("pool")
                    client.add_tasks("pool", [Task(id=f"task-{number}") for number in range(20)])
                    client.create_run("run", "pool")
                batch = client.select(4, key=f"step-{step}")
                assert client.report(batch, {task: [0.0, 1.0] for task in batch.tasks}).step == step + 1
            where = "SELECTOR_URL_FILE=$BOTS_FOLDER/url SELECTOR_TOKEN_FILE=$BOTS_FOLDER/token-read"
            listed = shell(f"{folder}\n{by_container}\n{where} $BOTS_RUN bots run list", ROOT, variables)
            assert "pool" in listed
