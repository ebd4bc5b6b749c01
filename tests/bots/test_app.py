import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.bots.conftest import Bots

COMMANDS = [
    ("serve",),
    ("pool", "import"),
    ("pool", "list"),
    ("pool", "show"),
    ("pool", "delete"),
    ("pool", "retire"),
    ("pool", "restore"),
    ("train",),
    ("measure",),
    ("run", "create"),
    ("run", "show"),
    ("run", "watch"),
    ("run", "list"),
    ("run", "change"),
    ("run", "delete"),
    ("run", "exclude"),
    ("run", "include"),
    ("run", "selections"),
    ("run", "renew"),
    ("run", "release"),
    ("run", "history"),
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


def test_the_version_is_that_of_the_package(bots: Bots):
    assert bots("--version").stdout == f"bots-selector {version('bots-selector')}\n"


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from bots import main\n"
        "sys.argv = ['bots', '--help']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'numpy', 'scipy', 'pyarrow', 'pydantic', 'yaml', 'httpx', 'fastapi', 'redis'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "library", "extras"),
    [
        (["--help"], "typer", ["server", "trainer"]),
        (["serve"], "pydantic_settings", ["server"]),
        (["token", "list"], "pydantic_settings", ["server"]),
        (["train", "x.yaml"], "yaml", ["trainer"]),
        (["measure", "x.yaml"], "yaml", ["trainer"]),
        (["experiment", "run", "x.yaml"], "yaml", ["trainer"]),
    ],
)
def test_a_library_that_is_missing_is_said_with_the_extra_that_has_it(
    command: list[str], library: str, extras: list[str]
):
    code = f"import sys; sys.modules[{library!r}] = None; from bots import main; sys.argv[1:] = {command}; main()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    told = " or ".join(f"pip install 'bots-selector[{extra}]'" for extra in extras)
    assert ended.stderr == f"Error: {library} is not installed; it comes with {told}\n"
