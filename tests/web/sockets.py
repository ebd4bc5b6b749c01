"""Talking to the service byte by byte, where a client library would do too much."""

from __future__ import annotations

import json
import socket
from typing import Any

import httpx


def exchange(url: str, *parts: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Send these bytes and no more; read one answer: its status, its headers and its JSON body."""
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port or 80), timeout=60) as connection:
        for part in parts:
            connection.sendall(part)
        with connection.makefile("rb") as stream:
            status = int(stream.readline().split()[1])
            headers: dict[str, str] = {}
            while (line := stream.readline().decode().strip()) != "":
                name, _, value = line.partition(": ")
                headers[name.lower()] = value
            return status, headers, json.loads(stream.read(int(headers["content-length"])))


def head(method: str, path: str, **headers: object) -> bytes:
    """The head of a request; `content_length=5` becomes `Content-Length: 5`."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()
