import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from selector_api.store.connection import connect
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.tokens import Tokens
from tests.bots.conftest import Bots
from tests.service import Service

Get = Callable[[str], int]


async def scopes_of(data_dir: Path, token: str) -> set[str] | None:
    """What a service on the data folder would find this token to allow; None if it does not know it."""
    async with EmbeddedValkey(data_dir) as valkey, connect(valkey.url) as redis:
        found = await Tokens(redis).lookup(token)
        return None if found is None else set(found.scopes)


def test_create_prints_the_token_alone_on_stdout(bots: Bots, tmp_path: Path):
    result = bots("token", "create", "--name", "pod", "--scope", "admin", "--data-dir", tmp_path / "new")
    assert result.exit_code == 0
    token = result.stdout.removesuffix("\n")
    assert token.startswith("bots_")
    assert token.isprintable()
    assert "pod" in result.stderr
    assert token not in result.stderr
    assert asyncio.run(scopes_of(tmp_path / "new", token)) == {"admin"}


def test_list_shows_names_and_scopes_and_revoke_takes_one_away(bots: Bots, tmp_path: Path):
    folder = ("--data-dir", tmp_path)
    tokens = [
        bots("token", "create", "--name", f"{scope}er", "--scope", scope, *folder).stdout.strip()
        for scope in ("admin", "read")
    ]
    listed = bots("token", "list", *folder).stdout
    assert [line.split()[:2] for line in listed.splitlines() if "UTC" in line] == [
        ["adminer", "admin"],
        ["reader", "read"],
    ]
    assert not any(token in listed for token in tokens)
    assert bots("token", "revoke", "reader", *folder).exit_code == 0
    listed = bots("token", "list", *folder).stdout
    assert "adminer" in listed
    assert "reader" not in listed
    assert asyncio.run(scopes_of(tmp_path, tokens[1])) is None
    assert asyncio.run(scopes_of(tmp_path, tokens[0])) == {"admin"}


def test_a_token_can_be_limited_to_runs_and_pools(bots: Bots, tmp_path: Path):
    anywhere = ("token", "create", "--name", "root", "--scope", "admin", "--data-dir", tmp_path)
    assert bots(*anywhere).exit_code == 0
    options = ("--run", "math-*", "--run", "shared", "--data-dir", tmp_path)
    assert bots("token", "create", "--name", "pod", "--scope", "train", *options).exit_code == 0
    listed = bots("token", "list", "--data-dir", tmp_path).stdout
    lines = {line.split()[0]: line for line in listed.splitlines() if "UTC" in line}
    assert "math-*, shared" in lines["pod"]
    assert lines["root"].split()[2:4] == ["*", "*"]


def test_they_work_beside_a_running_service(bots: Bots, tmp_path: Path):
    running = Service(tmp_path).start()
    try:
        made = bots("token", "create", "--name", "pod", "--scope", "admin", "--data-dir", tmp_path)
        assert made.exit_code == 0, made.stderr
        listed = bots("token", "list", "--redis-url", running.redis_url)
        assert "pod" in listed.stdout
        headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
        assert httpx.get(f"{running.url}/metrics", headers=headers).status_code == 200
    finally:
        assert running.stop() == 0


def test_a_name_is_given_once(bots: Bots, tmp_path: Path):
    create = ("token", "create", "--name", "pod", "--scope", "admin", "--data-dir", tmp_path)
    assert bots(*create).exit_code == 0
    result = bots(*create)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "Error: a token named 'pod' exists" in result.stderr
    assert "bots token revoke pod" in result.stderr


def test_a_mounted_secret_is_taken_again_and_again_and_never_shown(bots: Bots, tmp_path: Path):
    secret = tmp_path / "token"
    folder = tmp_path / "data"
    create = ("token", "create", "--name", "pod", "--scope", "admin", "--data-dir", folder)
    for text in ("a" * 32, "a" * 32, "b" * 32):
        secret.write_text(text + "\n")
        result = bots(*create, "--from-file", secret)
        assert result.exit_code == 0, result.stderr
        assert text not in result.stdout + result.stderr
    assert asyncio.run(scopes_of(folder, "a" * 32)) is None
    assert asyncio.run(scopes_of(folder, "b" * 32)) == {"admin"}


def test_a_token_is_replaced_without_a_gap(bots: Bots, tmp_path: Path):
    old, new, folder = tmp_path / "previous", tmp_path / "token", tmp_path / "data"
    old.write_text("a" * 32)
    new.write_text("b" * 32)
    create = ("token", "create", "--name", "pod", "--scope", "admin", "--data-dir", folder)
    for files, good in (([old], "a"), ([new, old], "ab"), ([new], "b")):
        options = [part for file in files for part in ("--from-file", file)]
        assert bots(*create, *options).exit_code == 0
        for letter in "ab":
            assert asyncio.run(scopes_of(folder, letter * 32)) == ({"admin"} if letter in good else None)


@pytest.mark.parametrize("text", ["", "short", "two tokens " * 8, "a" * 257, "é" * 40])
def test_a_secret_that_is_no_token_is_refused(bots: Bots, tmp_path: Path, text: str):
    secret = tmp_path / "token"
    secret.write_text(text)
    result = bots(
        "token", "create", "--name", "pod", "--scope", "train", "--from-file", secret, "--data-dir", tmp_path
    )
    assert result.exit_code == 2
    assert "32 to 256 printable characters" in result.stderr


def test_what_is_not_there_is_not_revoked(bots: Bots, tmp_path: Path):
    bots("token", "create", "--name", "somebody", "--scope", "admin", "--data-dir", tmp_path)
    result = bots("token", "revoke", "sombody", "--data-dir", tmp_path)
    assert result.exit_code == 2
    assert "no token named 'sombody'; near it: 'somebody'" in result.stderr


@pytest.mark.parametrize("command", [("list",), ("revoke", "pod")])
def test_a_data_folder_misspelt_is_named_and_not_made(bots: Bots, tmp_path: Path, command: tuple[str, ...]):
    folder = tmp_path / "bots-data"
    bots("token", "create", "--name", "pod", "--scope", "admin", "--data-dir", folder)
    before = sorted(tmp_path.rglob("*"))
    result = bots("token", *command, "--data-dir", tmp_path / "bots-dta")
    assert result.exit_code == 2
    assert "bots-dta is not there; near it: 'bots-data'" in result.stderr
    result = bots("token", *command, "--data-dir", tmp_path)
    assert result.exit_code == 2
    assert f"--data-dir: the folder {tmp_path} has no data of a service in it" in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("scope", ["read", "train"])
def test_the_first_token_is_an_admins_and_says_that_it_closes_the_service(
    bots: Bots, tmp_path: Path, scope: str
):
    create = ("token", "create", "--data-dir", tmp_path, "--name")
    refused = bots(*create, "pod", "--scope", scope)
    assert refused.exit_code == 2
    assert refused.stdout == ""
    for words in ("every call needs a token", "--scope admin", "--without-admin"):
        assert words in refused.stderr
    first = bots(*create, "root", "--scope", "admin")
    assert "from now on every call needs one" in first.stderr
    second = bots(*create, "pod", "--scope", scope)
    assert second.exit_code == 0
    assert "from now on" not in second.stderr
    other = bots(*create, "pod", "--scope", scope, "--without-admin", "--data-dir", tmp_path / "other")
    assert other.exit_code == 0
    assert "from now on every call needs one" in other.stderr


@pytest.mark.parametrize(
    ("options", "exit_code", "message"),
    [
        (("--scope", "write"), 2, "'write' is not one of 'read', 'train', 'admin'"),
        (("--scope", "read", "--name", ""), 2, "1 to 256"),
        (("--scope", "read", "--redis-url", "http://user:secret@host"), 2, "--redis-url: give redis://"),
        (("--scope", "read", "--redis-url", "unix:///nowhere/valkey.sock"), 1, "Redis is not available"),
        (("--scope", "read", "--data-dir", "/dev/null/data"), 1, "/dev/null"),
    ],
)
def test_mistakes_are_explained(bots: Bots, options: tuple[str, ...], exit_code: int, message: str):
    result = bots("token", "create", "--name", "pod", *options)
    assert result.exit_code == exit_code
    assert result.stdout == ""
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert "secret" not in result.stderr
