import re
from pathlib import Path
from typing import get_args

from selector_api.store import scripts
from tests.servers import LEAST


def test_every_lua_file_is_a_script_or_a_prelude() -> None:
    files = {path.stem for path in (Path(scripts.__file__).parent / "lua").iterdir()}
    assert files == {
        *get_args(scripts.RunScript),
        *get_args(scripts.PoolScript),
        "common",
        "outbox",
        "pool_common",
        "selections",
    }


def test_the_least_rights_that_are_written_down_are_those_that_are_used() -> None:
    """Of `LEAST`, which the tests that run with it show to be enough."""
    allowed = {word.removeprefix("+").upper() for word in LEAST.split() if word.startswith("+")}
    package = Path(scripts.__file__).parent
    lua = "\n".join(file.read_text() for file in (package / "lua").iterdir())
    python = "\n".join(file.read_text() for file in package.glob("*.py"))
    used = set(re.findall(r"(?:redis\.call|in_parts)\('([A-Z]+)'", lua))
    used |= set(re.findall(r"execute_command\(\s*\"([A-Z]+)\"", python)) - {"ASKING", "CLUSTER"}
    beside = {
        *("ACL|WHOAMI", "CONFIG|GET", "INFO", "PING", "TIME", "DEL", "SET"),  # looks, and `bots doctor`
        *("ASKING", "CLUSTER|SLOTS", "SELECT", "SCAN"),  # clusters; other databases; what 0.2 has made
        *("HGETALL", "HSETNX"),  # by methods of redis-py
    }
    assert allowed == used | beside
