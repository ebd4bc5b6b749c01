import asyncio
import importlib.util
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from selector_api.store.connection import connect
from selector_api.store.embedded_valkey import EmbeddedValkey, find_binary
from selector_api.store.errors import DataFolderInUse, EmbeddedServerFailed

pytestmark = pytest.mark.anyio

SERVICE = """
import asyncio, sys
from pathlib import Path
from selector_api import child_processes
from selector_api.store import embedded_valkey

async def serve():
    async with embedded_valkey.EmbeddedValkey(Path(sys.argv[1])) as valkey:
        print(valkey.pid, flush=True)
        await asyncio.Event().wait()

if sys.argv[2] == "orphan":  # as where nothing tells the child that the service died
    child_processes._BECOME = "import os, sys; os.execvp(sys.argv[3], sys.argv[3:])"
asyncio.run(serve())
"""


async def write(server: EmbeddedValkey, value: str) -> None:
    client = connect(server.url)
    await client.set("key", value)
    await client.aclose()


async def read(server: EmbeddedValkey) -> bytes | str | None:
    client = connect(server.url)
    value = await client.get("key")
    await client.aclose()
    return value


def runs(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_data_is_kept_over_stop_and_start(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    for value in ("one", "two"):
        await server.start()
        pid = server.pid
        assert pid is not None
        await write(server, value)
        await server.stop()
        assert not runs(pid)
        assert server.pid is None
    async with EmbeddedValkey(tmp_path) as server:
        assert await read(server) == b"two"


async def test_a_killed_valkey_comes_back_with_its_data(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as server:
        for value in ("one", "two"):
            await write(server, value)
            pid = server.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            while server.pid in (None, pid):
                await asyncio.sleep(0.01)
            assert await read(server) == value.encode()


async def test_a_client_outlives_the_restart_of_valkey(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as server:
        client = connect(server.url)
        script = client.register_script("return redis.call('INCRBY', KEYS[1], 0)")
        await client.set("key", 7)
        assert await script(keys=["key"]) == 7
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert await script(keys=["key"]) == 7
        await client.aclose()


async def test_only_its_owner_may_connect(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path / "new" / "folder") as server:
        assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "new" / "folder").stat().st_mode) == 0o700
        client = connect(server.url)
        settings = await client.config_get("port", "appendonly", "appendfsync", "maxmemory-policy", "save")
        await client.aclose()
    assert settings == {
        "port": "0",
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "save": "",
    }


async def test_nobody_else_can_read_its_data_in_a_folder_that_they_can_look_into(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    async with EmbeddedValkey(tmp_path) as server:
        await write(server, "secret")
    data = [tmp_path / "appendonlydir", *(tmp_path / "appendonlydir").iterdir()]
    assert len(data) > 1
    assert [path for path in data if path.stat().st_mode & 0o077] == []


async def test_a_second_service_on_the_folder_is_told_where_to_connect(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as server:
        await write(server, "first")
        second = EmbeddedValkey(tmp_path)
        with pytest.raises(DataFolderInUse, match=f"--redis-url {server.url}") as caught:
            await second.start()
        assert caught.value.url == server.url
        await second.stop()
        assert await read(server) == b"first"


@pytest.mark.parametrize("child", ["told", "orphan"])
async def test_a_service_that_was_killed_is_succeeded_by_the_next(tmp_path: Path, child: str) -> None:
    service = subprocess.Popen(
        [sys.executable, "-c", SERVICE, str(tmp_path), child], stdout=subprocess.PIPE, text=True
    )
    assert service.stdout is not None
    pid = int(service.stdout.readline())
    before = EmbeddedValkey(tmp_path)
    await write(before, "kept")
    service.kill()
    service.wait()
    service.stdout.close()
    if child == "told":
        while runs(pid):
            await asyncio.sleep(0.01)
    else:
        assert runs(pid)
    async with EmbeddedValkey(tmp_path) as server:
        assert server.pid != pid
        assert not runs(pid)
        assert await read(server) == b"kept"


async def test_a_socket_left_behind_does_not_matter(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(tmp_path / "valkey.sock"))
    async with EmbeddedValkey(tmp_path) as server:
        await write(server, "value")


@pytest.mark.parametrize("name", ["with blanks, 'quotes' and 100%", "ü" * 20 + "/" + "long" * 40])
async def test_any_name_of_a_folder_will_do(tmp_path: Path, name: str) -> None:
    async with EmbeddedValkey(tmp_path / name) as server:
        await write(server, "value")
        with pytest.raises(DataFolderInUse) as caught:
            await EmbeddedValkey(tmp_path / name).start()
        assert caught.value.url == server.url
        linked = server.socket.parent
    assert (tmp_path / name / "appendonlydir").is_dir()
    assert linked == tmp_path / name or not linked.exists()


@pytest.mark.parametrize("name", ["appendonly.aof.manifest", "appendonly.aof.1.incr.aof"])
async def test_a_folder_whose_data_is_damaged_is_refused_in_plain_words(tmp_path: Path, name: str) -> None:
    async with EmbeddedValkey(tmp_path) as server:
        await write(server, "value")
    (tmp_path / "appendonlydir" / name).write_text("nonsense\n")
    named = "manifest" if "manifest" in name else name
    words = rf"does not start: its data in {tmp_path}.*{named}.*put back a backup"
    with pytest.raises(EmbeddedServerFailed, match=words) as caught:
        await EmbeddedValkey(tmp_path).start()
    assert "nonsense" not in str(caught.value)
    with pytest.raises(EmbeddedServerFailed):  # and not DataFolderInUse
        await EmbeddedValkey(tmp_path).start()


async def test_stopping_twice_or_while_valkey_is_down_is_no_error(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    await server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.stop()
    await server.stop()
    async with EmbeddedValkey(tmp_path):
        pass


def test_the_binary_is_there() -> None:
    assert os.access(find_binary(), os.X_OK)


def test_without_a_binary_one_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EmbeddedServerFailed, match="--redis-url"):
        find_binary()
