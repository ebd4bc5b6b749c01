"""Commands of README and the how-tos: each is run here, or named with what runs it or why nothing can."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.service import Service

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/how-to/**/*.md")))]

RUN_HERE = {
    "README.md": [
        "url=http://127.0.0.1:8000",
        "bots pool import demo-output",
        "bots token create --name admin",
    ],
    "docs/how-to/security.md": ["bots token create --name admin"],
    "docs/how-to/replay.md": ["bots run export my-run"],
}
"""By document, how the blocks begin that the tests below run."""

_INSTALLS = "a package index, and the framework's own environment: make frameworks"
_CLUSTER = "a Kubernetes cluster of one's own; the manifests: make lint-deploy"
_SETTINGS = "settings of verl's command, given by tests/integrations/adapters/verl_runs.py"

ELSEWHERE = {
    "README.md": {
        "make demo": "both are targets: make demo, make test",
        "make install": "make install; the service itself: tests/service.py",
        "bots serve --data-dir": "what `make demo` left; such a training: tests/services/trainer/test_training.py",
        "docker compose up": "make test-compose, make test-slurm; " + _CLUSTER,
    },
    "docs/how-to/dashboard.md": {"bots view --demo": "tests/bots/test_view.py"},
    "docs/how-to/deployment.md": {
        "docker compose up": "make test-compose",
        "kubectl apply": _CLUSTER,
        "kubectl delete --kustomize": _CLUSTER,
        "kubectl --namespace bots delete": _CLUSTER,
        "make lint-deploy": "targets: make lint-deploy, make test-compose, make test-helm, make test-slurm",
    },
    "docs/how-to/operations.md": {
        "bots doctor": "tests/bots/test_doctor.py",
        "bots pool list": "two columns to look at; tests/bots/test_run.py, tests/bots/test_pool.py",
        "bots run archive": "a run older than the horizon; tests/web/test_horizon.py",
        "sh deploy/backup.sh": "tests/deploy/test_backup.py",
        "mkdir restored": "tests/deploy/test_backup.py",
        "export OTEL": "a collector of one's own; tests/web/test_tracing.py",
    },
    "docs/how-to/redis-cluster.md": {
        "docker compose --file": "tests/deploy/test_compose_file.py; " + _CLUSTER,
        "ACL SETUSER": "a Redis of one's own, as its administrator",
        "# to a cluster": "a cluster of one's own; such clusters: make test-cluster",
    },
    "docs/how-to/replay.md": {"bots replay demo-bots-0": "what `make demo` left; tests/bots/test_replay.py"},
    "docs/how-to/security.md": {"ACL SETUSER": "a Redis of one's own; tests/docs/test_rights.py"},
    "docs/how-to/slurm.md": {
        "export BOTS_FOLDER": "make test-slurm",
        "export SELECTOR_URL_FILE": "make test-slurm",
        "ch-image build": "Charliecloud of one's own",
        "apptainer build": "apptainer of one's own",
    },
    "docs/how-to/training.md": {
        "bots train": "tests/services/trainer/test_training.py, tests/services/trainer/test_several_processes.py",
        "bots experiment run": "tests/services/experiment/test_command.py",
        "make test-vllm": "targets: make test-vllm, make test-smollm2, make test-gpu",
    },
    "docs/how-to/trainers/openrlhf.md": {
        "pip install": _INSTALLS,
        "bots run create": "tests/bots/test_run.py",
    },
    "docs/how-to/trainers/prime-rl.md": {
        "pip install": _INSTALLS,
        "bots run create": "tests/bots/test_run.py",
    },
    "docs/how-to/trainers/skyrl.md": {"pip install": _INSTALLS},
    "docs/how-to/trainers/slime.md": {
        "pip install": _INSTALLS,
        "export SELECTOR_URL": "slime needs GPUs; a stand-in: tests/integrations/adapters/test_slime.py",
    },
    "docs/how-to/trainers/tinker.md": {"pip install": _INSTALLS},
    "docs/how-to/trainers/trinity.md": {"pip install": _INSTALLS},
    "docs/how-to/trainers/trl.md": {
        "pip install": "a package index: make test",
        "bots pool import": "tests/bots/test_pool.py, tests/trainer_client/integrations/test_trl_page.py",
    },
    "docs/how-to/trainers/verl.md": {
        "pip install": _INSTALLS,
        "data.dataloader": _SETTINGS,
        "data.sampler": _SETTINGS,
        "data.custom_cls": _SETTINGS,
        "trainer.v1": _SETTINGS,
    },
}
"""By document, how the other blocks begin, and what runs them or why nothing can."""

_BLOCK = re.compile(r"^```bash\n(.*?)^```|(?<=\n\n)((?: {4}[^\n]*\n|\n(?= {4}))+)", re.DOTALL | re.MULTILINE)


def blocks(document: str) -> Iterator[str]:
    """Its blocks of commands: fences of bash, and what is indented by four."""
    text = (ROOT / document).read_text()
    text = re.sub(r"^```(?!bash$|$).*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    for fenced, indented in _BLOCK.findall(text):
        yield fenced or re.sub("^ {4}", "", indented, flags=re.MULTILINE)


def block(document: str, start: str) -> str:
    return next(each for each in blocks(document) if each.startswith(start))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_is_run_or_named(document: str) -> None:
    starts = [*RUN_HERE.get(document, []), *ELSEWHERE.get(document, {})]
    found = list(blocks(document))
    assert [each for each in found if not each.startswith(tuple(starts))] == []
    assert [start for start in starts if not any(each.startswith(start) for each in found)] == []


def test_what_runs_the_others_is_there() -> None:
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for reasons in ELSEWHERE.values():
        for reason in reasons.values():
            assert set(re.findall(r"\bmake ([a-z0-9-]+)", reason)) <= set(targets), reason
            assert all((ROOT / path).exists() for path in re.findall(r"tests/[\w/]+\.py", reason)), reason


def shell(commands: str, service: Service, folder: Path, **variables: str) -> str:
    """Run commands as a reader would who stands in `folder`; what they wrote. The port is the service's own."""
    commands = commands.replace("http://127.0.0.1:8000", service.url)
    given = {name: value for name, value in os.environ.items() if not name.startswith("SELECTOR_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=given | {"PATH": path, "SELECTOR_URL": service.url} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.slow
def test_what_readme_says_of_running_it_can_be_done_in_its_order(tmp_path: Path) -> None:
    with Service(tmp_path / "bots-data") as service:
        first, told, then = block("README.md", "url=").partition("# Now with the selection")
        curl = 'curl() { command curl --silent --show-error --fail-with-body "$@"; }\n'
        answer = shell(curl + first, service, tmp_path)
        selection = re.search(r'"selection":\s*"(s1-[^"]+)"', answer)
        assert selection is not None, answer
        again = "\n".join(first.splitlines()[:2]) + "\n"
        answer = shell(curl + again + told + then.replace("s1-…", selection[1]), service, tmp_path)
        assert '"committed":true' in answer.replace(" ", "")

        python = re.search(
            r"### From Python.*?```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
        )
        assert python is not None
        (tmp_path / "loop.py").write_text(
            "import logging\n"
            "logging.basicConfig(level=logging.WARNING, format='%(levelname)s %(message)s')\n"
            "def roll_out_and_score(task):\n    return [0.0, 1.0] * 8\n"
            + python[1].replace("range(100)", "range(3)").replace("http://127.0.0.1:8000", service.url)
        )
        told = shell(f"PYTHONPATH={ROOT} python -W error loop.py 2>&1", service, tmp_path)
        assert told == ""

        materials = tmp_path / "demo-output/materials"
        materials.mkdir(parents=True)
        rates = {"weak_pass_rate": [0.1, 0.5], "strong_pass_rate": [0.5, 0.9]}
        pq.write_table(
            pa.table({"id": ["a", "b"], "domain": ["x", "y"], **rates}), materials / "pool.parquet"
        )
        shell(block("README.md", "bots pool import"), service, tmp_path)
        assert (tmp_path / "posteriors.parquet").exists()
        assert (tmp_path / "events.jsonl").read_text()

        replay = block("docs/how-to/replay.md", "bots run export").replace("--picture replay.png", "")
        told = shell(replay.replace("my-run", "from-python"), service, tmp_path)
        assert "as it ran" in told

        tokens, serve = block("README.md", "bots token create").split("bots serve", 1)
        told = shell(tokens, service, tmp_path)
        assert "--host 0.0.0.0" in serve
        _, trainer = told.split()
        look = f"curl -s -o answer -w '%{{http_code}}' {service.url}/runs/first"
        assert shell(f"{look} -H 'Authorization: Bearer {trainer}'", service, tmp_path) == "200"
        assert shell(look, service, tmp_path) == "401"


@pytest.mark.slow
def test_the_tokens_of_the_page_on_security(tmp_path: Path) -> None:
    with Service(tmp_path / "bots-data") as service:
        commands = block("docs/how-to/security.md", "bots token create")
        told = shell(commands, service, tmp_path, SELECTOR_DATA_DIR=str(tmp_path / "bots-data"))
        assert "trainer-1" in told
