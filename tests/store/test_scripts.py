from pathlib import Path
from typing import get_args

from selector_api.store import scripts


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
