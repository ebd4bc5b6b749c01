"""Commands of README and the how-tos: each is run here, or named with what runs it or why nothing can."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.core import TyperGroup

from bots.app import app
from tests.docs.blocks import DOCUMENTS, ROOT, block, blocks, shell
from tests.service import Service

_HOW_TOS = "tests/docs/test_how_tos.py"
_COMPOSE = "tests/deploy/test_compose_commands.py, by make test-compose"
_KUBERNETES = "tests/deploy/test_kubectl_commands.py, as far as a cluster's door"
_CLONE = "tests/docs/test_fresh_clone.py, by make test-clone"
_INSTALLS = "a package index, and the framework's own environment: make frameworks; its versions: below"
_SETTINGS = "settings of verl's command, given by tests/integrations/adapters/verl_runs.py"

RUN_BY = {
    "README.md": {
        "make demo": f"the first: {_CLONE}; the other is what this is part of: make test",
        "make install": _CLONE,
        "url=http://127.0.0.1:8000": f"below; {_COMPOSE}",
        "bots pool import demo-output": "below",
        "bots serve --data-dir": _CLONE,
        "docker compose up": f"{_COMPOSE}; {_KUBERNETES}; make test-slurm",
        "bots token create --name admin": "below, but for its last line, which listens on all addresses",
    },
    "docs/how-to/dashboard.md": {"bots view --demo": _HOW_TOS},
    "docs/how-to/deployment.md": {
        "docker compose up": _COMPOSE,
        "kubectl apply": f"{_KUBERNETES}; the images: make test-compose",
        "kubectl delete --kustomize": _KUBERNETES,
        "kubectl --namespace bots delete": _KUBERNETES,
        "make lint-deploy": "targets: make lint-deploy, make test-compose, make test-helm, make test-slurm",
    },
    "docs/how-to/operations.md": {
        "bots doctor": f"{_HOW_TOS}; {_KUBERNETES}",
        "bots pool list": _HOW_TOS,
        "bots run archive": _HOW_TOS,
        "sh deploy/backup.sh": f"{_HOW_TOS}; {_COMPOSE}; {_KUBERNETES}",
        "mkdir restored": f"{_HOW_TOS}; {_COMPOSE}; {_KUBERNETES}",
        "export OTEL": "its command, without a collector: tests/web/test_tracing.py",
    },
    "docs/how-to/redis-cluster.md": {
        "docker compose --file": f"tests/deploy/test_compose_file.py; {_KUBERNETES}",
        "ACL SETUSER": "a Redis of one's own, as its administrator",
        "# to a cluster": "a cluster of one's own; such clusters: make test-cluster",
    },
    "docs/how-to/replay.md": {
        "bots run export my-run": "below",
        "bots replay demo-bots-0": _CLONE,
    },
    "docs/how-to/security.md": {
        "bots token create --name admin": _HOW_TOS,
        "ACL SETUSER": "a Redis of one's own; tests/docs/test_rights.py",
    },
    "docs/how-to/slurm.md": {
        "export BOTS_FOLDER": "tests/deploy/test_slurm.py, by make test-slurm",
        "export SELECTOR_URL_FILE": "tests/deploy/test_slurm.py, by make test-slurm",
        "ch-convert": "tests/deploy/test_charliecloud.py, by make test-compose",
        "apptainer build": "apptainer of one's own",
    },
    "docs/how-to/training.md": {
        "bots train": "tests/services/trainer/test_training.py, tests/services/trainer/test_several_processes.py",
        "bots experiment run": "tests/services/experiment/test_command.py",
        "make test-vllm": "targets: make test-vllm, make test-smollm2, make test-gpu",
    },
    "docs/how-to/trainers/openrlhf.md": {"pip install": _INSTALLS, "bots run create": _HOW_TOS},
    "docs/how-to/trainers/prime-rl.md": {"pip install": _INSTALLS, "bots run create": _HOW_TOS},
    "docs/how-to/trainers/skyrl.md": {"pip install": _INSTALLS},
    "docs/how-to/trainers/slime.md": {
        "pip install": _INSTALLS,
        "export SELECTOR_URL": "slime needs GPUs; a stand-in: tests/integrations/adapters/test_slime.py",
    },
    "docs/how-to/trainers/tinker.md": {"pip install": _INSTALLS},
    "docs/how-to/trainers/trinity.md": {"pip install": _INSTALLS},
    "docs/how-to/trainers/trl.md": {
        "pip install": "a package index: make test",
        "bots pool import": f"{_HOW_TOS}, tests/trainer_client/integrations/test_trl_page.py",
    },
    "docs/how-to/trainers/verl.md": {
        "pip install": _INSTALLS,
        "data.dataloader": _SETTINGS,
        "data.sampler": _SETTINGS,
        "data.custom_cls": _SETTINGS,
        "trainer.v1": _SETTINGS,
    },
}
"""By document, how its blocks begin, and what runs each or why nothing can."""


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_is_run_or_named(document: str) -> None:
    starts = list(RUN_BY.get(document, {}))
    found = list(blocks(document))
    assert [each for each in found if not each.startswith(tuple(starts))] == []
    assert [start for start in starts if not any(each.startswith(start) for each in found)] == []


def test_what_runs_them_is_there() -> None:
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for reasons in RUN_BY.values():
        for reason in reasons.values():
            assert set(re.findall(r"\bmake ([a-z0-9-]+)", reason)) <= set(targets), reason
            assert all((ROOT / path).exists() for path in re.findall(r"tests/[\w/]+\.py", reason)), reason


def test_what_pages_install_of_frameworks_is_what_they_are_tested_with() -> None:
    tested = (ROOT / "Makefile").read_text().split()
    for file in (ROOT / "tests/integrations/adapters").glob("*.txt"):
        tested += file.read_text().split()
    for document in DOCUMENTS:
        for commands in blocks(document):
            for line in commands.splitlines():
                if line.startswith("pip install "):
                    words = shlex.split(line, comments=True)
                    assert {word for word in words if re.search("[<=>]", word)} <= set(tested), line


def test_options_that_documents_give_to_bots_are_there() -> None:
    bots, known = typer.main.get_command(app), 0
    for file in [*ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/slurm/*"), ROOT / "README.md"]:
        for said in re.findall(r"\bbots ([a-z]+ [^`\n|;&]*)", file.read_text().replace("\\\n", " ")):
            words, command = said.split(), bots
            while words and isinstance(command, TyperGroup) and words[0] in command.commands:
                command = command.commands[words.pop(0)]
            if command is not bots:
                options = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
                given = {match[0] for word in words if (match := re.match("--[a-z-]+", word))}
                assert given <= options | {"--help"}, f"{file.name}: bots {said}"
                known += 1
    assert known > 100


def typed(commands: str, service: Service, folder: Path) -> str:
    """What commands write that find the service by the environment, or at README's address."""
    at_its_port = commands.replace("http://127.0.0.1:8000", service.url)
    return shell(at_its_port, folder, {"SELECTOR_URL": service.url})


@pytest.mark.slow
def test_what_readme_says_of_running_it_can_be_done_in_its_order(tmp_path: Path) -> None:
    with Service(tmp_path / "bots-data") as service:
        first, told, then = block("README.md", "url=").partition("# Now with the selection")
        curl = 'curl() { command curl --silent --show-error --fail-with-body "$@"; }\n'
        answer = typed(curl + first, service, tmp_path)
        selection = re.search(r'"selection":\s*"(s1-[^"]+)"', answer)
        assert selection is not None, answer
        again = "\n".join(first.splitlines()[:2]) + "\n"
        answer = typed(curl + again + told + then.replace("s1-…", selection[1]), service, tmp_path)
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
        told = typed(f"PYTHONPATH={ROOT} python -W error loop.py 2>&1", service, tmp_path)
        assert told == ""

        materials = tmp_path / "demo-output/materials"
        materials.mkdir(parents=True)
        rates = {"weak_pass_rate": [0.1, 0.5], "strong_pass_rate": [0.5, 0.9]}
        pq.write_table(
            pa.table({"id": ["a", "b"], "domain": ["x", "y"], **rates}), materials / "pool.parquet"
        )
        typed(block("README.md", "bots pool import"), service, tmp_path)
        assert (tmp_path / "posteriors.parquet").exists()
        assert (tmp_path / "events.jsonl").read_text()

        replay = block("docs/how-to/replay.md", "bots run export").replace("--picture replay.png", "")
        told = typed(replay.replace("my-run", "from-python"), service, tmp_path)
        assert "as it ran" in told

        tokens, serve = block("README.md", "bots token create").split("bots serve", 1)
        told = typed(tokens, service, tmp_path)
        assert "--host 0.0.0.0" in serve
        _, trainer = told.split()
        look = f"curl -s -o answer -w '%{{http_code}}' {service.url}/runs/first"
        assert typed(f"{look} -H 'Authorization: Bearer {trainer}'", service, tmp_path) == "200"
        assert typed(look, service, tmp_path) == "401"
