"""What a Redis that cannot be used looks like to whoever called `bots`: a line that says why."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bots.conftest import Bots
from tests.servers import listening, valkey_with_user

PASSWORD = "password-of-the-test"
PROTECTED = b"-DENIED Redis is running in protected mode because no password is set\r\n"


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server that gives this answer to whoever connects, and hangs up."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    with listening(greet) as port:
        yield port


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a Valkey is that lets in the user `selector` alone."""
    with valkey_with_user(tmp_path_factory.mktemp("valkey"), PASSWORD) as port:
        yield f"127.0.0.1:{port}"


def refusal(bots: Bots, url: str) -> str:
    """What a command says on stderr of the Redis at this URL."""
    result = bots("token", "list", "--redis-url", url)
    assert result.exit_code == 1, result.output
    assert PASSWORD not in result.stderr
    return result.stderr


@pytest.mark.parametrize(
    ("answer", "words"),
    [(PROTECTED, "protected mode"), (b"HTTP/1.1 400 Bad Request\r\n\r\n", "Redis is not")],
)
def test_something_else_that_answers(bots: Bots, answer: bytes, words: str) -> None:
    with answering(answer) as port:
        assert words in refusal(bots, f"redis://127.0.0.1:{port}/0")


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("/99", "Redis refuses: "),
        ("/0?bogus=1", "the URL of Redis cannot be used: "),
        ("/0?socket_timeout=soon", "the URL of Redis cannot be used: "),
    ],
)
def test_a_url_that_cannot_be_meant(bots: Bots, redis: str, end: str, words: str) -> None:
    assert words in refusal(bots, f"redis://selector:{PASSWORD}@{redis}{end}")


def test_a_wrong_password(bots: Bots, redis: str) -> None:
    assert "password" in refusal(bots, f"redis://selector:wrong@{redis}/0")


def test_the_service_does_not_start(redis: str) -> None:
    url = f"redis://selector:{PASSWORD}@{redis}/99"
    command = [Path(sys.executable).with_name("bots"), "serve", "--port", "0", "--redis-url", url]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr[:22]) == (1, "Error: Redis refuses: ")
