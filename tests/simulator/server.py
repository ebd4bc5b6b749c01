"""A Valkey that keeps nothing on disk, and one connection to it: a call, its reply, the next call."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hiredis

from selector_api.child_processes import ending_with_this
from selector_api.store.embedded_valkey import find_binary

_PATIENCE_SECONDS = 30.0


class Wire:
    """A connection without the costs of a client: a schedule makes some hundred calls."""

    def __init__(self, path: Path) -> None:
        self._reader = hiredis.Reader()
        self._unsent: list[bytes] = []
        self._scripts: dict[str, str] = {}
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_PATIENCE_SECONDS)
        self._socket.connect(str(path))

    def call(self, *args: Any) -> Any:
        """The reply to a command, as bytes, integers and lists.

        Raises:
            hiredis.ReplyError: the server refused it, or one that was sent with it.
        """
        return self.calls(args)[-1]

    def calls(self, *commands: Sequence[Any]) -> list[Any]:
        """The replies to commands that are sent at once. It raises what `call` does."""
        for args in commands:
            self.later(*args)
        count, self._unsent, sent = len(self._unsent), [], b"".join(self._unsent)
        self._socket.sendall(sent)
        replies: list[Any] = []
        while len(replies) < count:
            while (reply := self._reader.gets()) is False:
                self._reader.feed(self._socket.recv(65536))
            replies.append(reply)
        for reply in replies:
            if isinstance(reply, hiredis.ReplyError):
                raise reply
        return replies[-len(commands) :] if commands else []

    def later(self, *args: Any) -> None:
        """Send a command with the next call, before it; nobody asks for the reply."""
        self._unsent.append(hiredis.pack_command(args))

    def load(self, script: str) -> str:
        """Load a script; gives its SHA-1."""
        if script not in self._scripts:
            self._scripts[script] = self.call("SCRIPT", "LOAD", script)
        return self._scripts[script]

    def close(self) -> None:
        self._socket.close()


@contextmanager
def valkey(folder: Path) -> Iterator[Wire]:
    """Start a Valkey, and end it afterwards."""
    path = folder / "valkey.sock"
    options = {"port": "0", "unixsocket": path.name, "save": "", "appendonly": "no"}
    arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
    with (folder / "valkey.log").open("wb") as log:
        process = subprocess.Popen(
            ending_with_this([str(find_binary()), *arguments]), cwd=folder, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not path.exists():
            assert process.poll() is None, (folder / "valkey.log").read_text()
            assert time.monotonic() < deadline, "Valkey does not start"
            time.sleep(0.01)
        wire = Wire(path)
        yield wire
        wire.close()
    finally:
        process.terminate()
        process.wait()
