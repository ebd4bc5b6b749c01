"""README from its first command to its last training, in a fresh clone: `make test-clone`.

What is installed there is the service; torch is that of this environment, by which the clone's own code runs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.docs.blocks import ROOT, block, going_on, shell
from tests.service import free_port

pytestmark = [
    pytest.mark.timeout(3600),
    pytest.mark.skipif("BOTS_TEST_CLONE" not in os.environ, reason="make test-clone runs it"),
]

README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh") / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def address() -> str:
    return f"http://127.0.0.1:{free_port()}"


def at(address: str, commands: str) -> str:
    """Commands of README, for a service at another port than they name."""
    port = address.rpartition(":")[2]
    commands = commands.replace("http://127.0.0.1:8000", address).replace("--port 8000", f"--port {port}")
    return re.sub(r"(bots serve --data-dir bots-data)(?! --port)", rf"\1 --port {port}", commands)


def is_ready(address: str) -> None:
    """Wait until the service answers, as a reader does who looks at its page."""
    with httpx.Client(base_url=address, timeout=60, transport=httpx.HTTPTransport(retries=10)) as http:
        http.get("/readyz").raise_for_status()


@pytest.fixture(scope="module")
def files(clone: Path, address: str) -> Path:
    """The clone after `make demo`, by the torch that is here, with the two files that README says to save."""
    (clone / ".venv/bin").mkdir(parents=True, exist_ok=True)
    for part in ("bin/pip", ".trainer", ".server"):
        (clone / ".venv" / part).touch()
    shell(f"make demo BIN={Path(sys.executable).parent}", clone, {"PYTHONPATH": str(clone)})
    for name in ("measure.yaml", "train.yaml"):
        found = re.search(rf"`{name}`, .*?```yaml\n(.*?)```", README, re.DOTALL)
        assert found is not None
        (clone / name).write_text(at(address, found[1]))
    return clone


def test_to_the_first_selection(clone: Path, address: str) -> None:
    began = time.monotonic()
    *install, serve = block("README.md", "make install").splitlines()
    shell(install[0], clone)
    installed = time.monotonic()
    path = f"{install[1]}\n"
    assert path.startswith("export PATH=")
    with going_on(path + at(address, serve) + " 2>&1", clone, re.escape(address)):
        is_ready(address)
        answer = shell(at(address, block("README.md", "url=").partition("# Now with")[0]), clone)
        ended = time.monotonic()
    assert '"tasks":["sort-1","add-1"]' in answer
    print(
        f"\nmake install {installed - began:.0f} s, from there to the first selection {ended - installed:.0f} s"
    )


def test_the_demo_and_a_training_of_one_s_own(files: Path, address: str) -> None:
    variables = {"PYTHONPATH": str(files), "SELECTOR_URL": address}
    show = "bots run show demo-bots-0"
    of_demo = "bots serve --data-dir demo-output/experiment/selector"
    makefile = (ROOT / "Makefile").read_text()
    assert of_demo in makefile
    assert show in makefile
    port = f" --port {address.rpartition(':')[2]} 2>&1"
    with going_on(of_demo + port, files, re.escape(address), variables):
        assert "demo-bots-0" in shell(show, files, variables)
    assert "forgetting" in shell(block("docs/how-to/replay.md", "bots replay demo-bots-0"), files, variables)

    serve, measure, train = block("README.md", "bots serve --data-dir").splitlines()
    with going_on(
        at(address, serve.partition("#")[0].strip()) + " 2>&1", files, re.escape(address), variables
    ):
        shell(block("README.md", "bots pool import"), files, variables)
        shell(measure, files, variables)
        shell(train, files, variables)
        told = shell("bots run show my-training", files, variables)
    assert "50" in told
