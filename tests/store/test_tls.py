"""What is said of a Redis that is not reached by TLS, or not as it wants to be."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path

import pytest

from selector_api.store import connection
from selector_api.store.connection import check_server, connect
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.errors import StoreUnavailable, UnusableUrl
from tests.servers import certificate, listening, pump

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("rediss://host?ssl_ca_certs=/nowhere/ca.pem", "ssl_ca_certs: /nowhere/ca.pem holds no certificates"),
        ("rediss+cluster://host?ssl_ca_certs={key}", "key.pem holds no certificates"),
        ("rediss+sentinel://host/NAME?ssl_certfile={made}&ssl_keyfile=/nowhere", "and /nowhere are no"),
        ("rediss://host?ssl_certfile={made}&ssl_keyfile={other}", "are no certificate and its key"),
        ("rediss://host?ssl_certfile={made}&ssl_keyfile={locked}", "are no certificate and its key"),
        ("rediss://host?ssl_keyfile={key}", "give ssl_certfile as well"),
        ("rediss://host?ssl_ca_path=/nowhere", "ssl_ca_path: there is no folder /nowhere"),
        (
            "redis://host?ssl_ca_certs={made}",
            "ssl_ca_certs is an option of TLS: let the address begin with rediss",
        ),
    ],
)
def test_files_are_looked_at_before_a_connection_is_made(tmp_path: Path, options: str, words: str) -> None:
    made, key = certificate(tmp_path / "one")
    _, other = certificate(tmp_path / "other")
    locked = tmp_path / "locked.pem"
    lock = ["openssl", "ec", "-in", str(key), "-aes256", "-passout", "pass:secret", "-out", str(locked)]
    subprocess.run(lock, check=True, capture_output=True)
    with pytest.raises(UnusableUrl, match=words):
        connect(options.format(made=made, key=key, other=other, locked=locked))
    connect(f"rediss://host?ssl_certfile={made}&ssl_keyfile={locked}&ssl_password=secret")
    connect(f"rediss://host?ssl_ca_certs={made}&ssl_certfile={made}&ssl_keyfile={key}")


def forward_to(path: Path):
    """What passes on to a unix socket what one connection says, and back."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_unix_connection(str(path))
        await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))

    return forward


def speaking(made: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    return context


@pytest.mark.one_server
async def test_a_certificate_that_becomes_another_is_told_by_readiness(
    valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    made, key = certificate(tmp_path / "one")
    other = certificate(tmp_path / "other")
    with listening(forward_to(valkey.socket), context=speaking(made, key)) as port:
        redis = connect(f"rediss://localhost:{port}?ssl_ca_certs={made}")
        await check_server(redis)
        await redis.check_primary()
    with listening(forward_to(valkey.socket), port=port, context=speaking(*other)):
        with pytest.raises(StoreUnavailable) as caught:
            await redis.check_primary()
        assert "certificate verify failed" in str(caught.value)
        assert caught.value.detail == "Redis shows a certificate that is not trusted here; try again shortly"
    await redis.aclose()


@pytest.mark.one_server
async def test_the_wrong_one_of_plain_and_tls_is_said(
    valkey: EmbeddedValkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_DEADLINE_SECONDS", 2.0)
    made, key = certificate(tmp_path)
    with listening(forward_to(valkey.socket)) as port:
        redis = connect(f"rediss://localhost:{port}?ssl_ca_certs={made}")
        with pytest.raises(StoreUnavailable, match="redis instead of rediss if it speaks no TLS"):
            await check_server(redis)
        await redis.aclose()
    with listening(forward_to(valkey.socket), context=speaking(made, key)) as port:
        redis = connect(f"redis://localhost:{port}")
        with pytest.raises(StoreUnavailable, match="begin with rediss instead of redis"):
            await check_server(redis)
        await redis.aclose()


async def test_a_server_that_is_not_there_has_nothing_to_do_with_tls(tmp_path: Path) -> None:
    redis = connect(f"unix://{tmp_path}/nowhere")
    with pytest.raises(StoreUnavailable) as caught:
        await check_server(redis)
    assert "rediss" not in str(caught.value)
    await redis.aclose()
