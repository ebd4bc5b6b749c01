"""Child processes that end with their parent, and not by its Ctrl-C."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

from selector_api.child_processes import ending_with_this

STOP_SECONDS = 60.0


def start(
    command: Sequence[str],
    output: IO[bytes] | int,
    environment: Mapping[str, str] | None = None,
    inherited: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a command that writes what it says to `output`, in a session of its own.

    `output` is a file or subprocess.DEVNULL. `inherited` are file descriptors that stay open in it; `environment`
    takes the place of this process' own. A Python that crashes, as in a library's C code, writes to `output` where
    it was.
    """
    return subprocess.Popen(  # noqa: S603 - our own command, or one that the user gave
        ending_with_this(command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env={"PYTHONFAULTHANDLER": "1", **(os.environ if environment is None else environment)},
        pass_fds=inherited,
        start_new_session=True,
    )


def end(processes: Sequence[subprocess.Popen[bytes]], seconds: float = STOP_SECONDS) -> None:
    """Ask each, and what it started, to end by SIGTERM, and kill those that have not after `seconds`."""
    for process in processes:
        _send(process, signal.SIGTERM)
    for process in processes:
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            _send(process, signal.SIGKILL)
            process.wait()


def _send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
