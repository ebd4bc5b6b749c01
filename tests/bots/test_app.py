import subprocess
import sys

import pytest

from tests.bots.conftest import Bots

COMMANDS = [
    ("serve",),
    ("pool", "import"),
    ("run", "create"),
    ("run", "show"),
    ("run", "watch"),
    ("posteriors", "export"),
    ("events", "export"),
    ("experiment", "run"),
    ("experiment", "report"),
    ("token", "create"),
    ("token", "list"),
    ("token", "revoke"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(bots: Bots, command: tuple[str, ...]):
    result = bots(*command, "--help")
    assert result.exit_code == 0
    assert "Example:" in result.stdout
    assert f"bots {' '.join(command)} " in result.stdout


@pytest.mark.parametrize("command", [("nonsense",), ("run", "nonsense"), ("run", "show", "r", "--nonsense")])
def test_what_is_not_there_is_a_mistake(bots: Bots, command: tuple[str, ...]):
    result = bots(*command)
    assert result.exit_code == 2
    assert "nonsense" in result.stderr


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from bots import main\n"
        "sys.argv = ['bots', '--help']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'numpy', 'scipy', 'pyarrow', 'pydantic', 'httpx', 'fastapi', 'redis'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_without_the_server_extra_the_command_says_what_to_install():
    code = "import sys; sys.modules['typer'] = None; from bots import main; main()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: ")
    assert "pip install 'bots-selector[server]'" in ended.stderr
