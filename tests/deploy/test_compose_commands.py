"""What the documents say of Docker Compose is typed, as it stands there, on a real engine: `make test-compose`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.deploy.manifests import ROOT
from tests.deploy.stack import PROJECT
from tests.docs.blocks import block, shell
from tests.service import free_port

pytestmark = [
    pytest.mark.compose,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("BOTS_TEST_DOCKER" not in os.environ, reason="make test-compose runs it"),
]

DEPLOYMENT, OPERATIONS = "docs/how-to/deployment.md", "docs/how-to/operations.md"
TOKEN = re.compile(r"bots_[\w-]{43}")
Typed = Callable[[str], str]


@pytest.fixture
def typed(tmp_path: Path) -> Iterator[Typed]:
    """Types commands in the checkout, on an installation that is not there yet and goes when the test is over."""
    plugins = tmp_path / "cli-plugins"
    plugins.mkdir()
    (plugins / "docker-compose").symlink_to(Path(sys.executable).with_name("docker-compose"))
    port = free_port()
    variables = {"DOCKER_CONFIG": str(tmp_path), "COMPOSE_PROJECT_NAME": PROJECT, "BOTS_PORT": str(port)}

    def shell_there(commands: str) -> str:
        at_the_port = commands.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{port}")
        return shell(at_the_port.replace("backup.tar", f"{tmp_path}/backup.tar"), ROOT, variables)

    shell_there("docker compose down --volumes")
    try:
        yield shell_there
    finally:
        shell_there("docker compose --profile '*' down --volumes --timeout 30")


def told(text: str, words: str) -> str:
    """The command in a document's text that has these words."""
    (found,) = {each for each in re.findall(r"`([^`]+)`", text) if words in each}
    return " ".join(found.split())


def test_from_the_first_start_to_a_backup_put_back_and_an_uninstall(typed: Typed) -> None:
    page = (ROOT / DEPLOYMENT).read_text()
    first = block(DEPLOYMENT, "docker compose up")
    assert block("README.md", "docker compose up").splitlines()[0].split("  ")[0] in first.splitlines()
    assert "bots_requests_total" in typed(first)
    up, _, token, _ = first.splitlines()
    of_train = typed(told(page, "/run/secrets/token-train/token"))
    assert TOKEN.fullmatch(of_train.strip())

    # README's calls, with the header that it says a service of Compose wants.
    calls, _, rest = block("README.md", "url=").partition("# Now with the selection")
    header = '-H "Authorization: Bearer $SELECTOR_TOKEN"'
    assert header in " ".join((ROOT / "README.md").read_text().split())
    calls = f"{token}\n" + calls.replace('"$@"', f'{header} "$@"')
    answer = typed(calls)
    selection = re.search(r'"selection":\s*"(s1-[^"]+)"', answer)
    assert selection is not None, answer
    opening = "\n".join(calls.splitlines()[:4]) + "\n"
    assert "committed" in typed(opening + "#" + rest.replace("s1-…", selection[1]))

    log = opening + "curl $url/runs/first/events"
    of_backup = typed(log)
    (back_up,) = (line for line in block(OPERATIONS, "sh deploy/backup.sh").splitlines() if "compose" in line)
    typed(back_up)
    typed(opening + """curl -X POST $url/select -H "$json" -d '{"run": "first", "batch_size": 1}'""")
    assert typed(log) != of_backup
    put_back = block(OPERATIONS, "mkdir restored").split("\n\n")[1]
    assert put_back.startswith("docker compose stop")
    typed(put_back)
    assert typed(log) == of_backup

    down = told(page, "'*' down")
    typed(f"{down}\n{up}")
    assert typed(log) == of_backup
    typed(f"{down} --volumes\n{up}")
    with pytest.raises(AssertionError, match="unknown-run"):
        typed(log)
