"""What the service tells when it listens: where it is, where its data are, who may call, and what to do next."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from importlib.metadata import version
from ipaddress import ip_address
from urllib.parse import urlsplit

import structlog

from selector_api.settings import Settings

log = structlog.get_logger("selector_api.web")
DEFAULT_URL = "http://127.0.0.1:8000"
"""Where clients and commands look when they are not told."""


def address_of(listener: socket.socket) -> str:
    """The URL of a service that listens there, as this machine calls it."""
    host, port = listener.getsockname()[:2]
    address = ip_address(host)
    if address.is_unspecified:
        address = ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"


def announce(settings: Settings, url: str, *, is_open: bool) -> None:
    """Write the address to the file that asks for it, and tell on standard error of a service that listens now."""
    if settings.announce is not None:
        settings.announce.parent.mkdir(parents=True, exist_ok=True)
        unfinished = settings.announce.with_name(f".{settings.announce.name}.{os.getpid()}")
        unfinished.write_text(f"{for_others(settings, url)}\n")
        unfinished.replace(settings.announce)
    if settings.log_format == "json":
        log.info("serving", url=url, version=version("bots-selector"), data=_data(settings), open=is_open)
    elif settings.log_level in ("debug", "info"):
        print("\n".join(_lines(settings, url, is_open=is_open)), file=sys.stderr, flush=True)


def for_others(settings: Settings, url: str) -> str:
    """The URL by which other machines call a service: by this one's name, if it listens on all addresses."""
    try:
        everywhere = ip_address(settings.host).is_unspecified
    except ValueError:
        everywhere = False
    return f"http://{socket.gethostname()}:{urlsplit(url).port}" if everywhere else url


def _lines(settings: Settings, url: str, *, is_open: bool) -> Sequence[str]:
    lines = [
        f"BOTS Selector {version('bots-selector')} serves at {url}",
        f"  page    {url}/",
        f"  API     {url}/docs",
        f"  data    {_data(settings)}",
    ]
    if is_open:
        store = f"--data-dir {settings.data_dir}" if settings.redis_url is None else "--redis-url URL"
        lines.append("  access  open to all on this machine; a first token ends that:")
        lines.append(f"          bots token create --name admin --scope admin {store}")
    else:
        lines.append("  access  with a token, which clients and commands take from SELECTOR_TOKEN")
    if url != DEFAULT_URL:
        lines.append(f"  clients export SELECTOR_URL={url}")
    return [*lines, "  next    bots pool import --help", "  end     Ctrl-C"]


def _data(settings: Settings) -> str:
    """Where the data are, without the user and password that an address may have."""
    if settings.redis_url is None:
        return f"{settings.data_dir} (embedded Valkey)"
    url = urlsplit(settings.redis_url.get_secret_value())
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"
