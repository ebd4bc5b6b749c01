"""Child processes that end with their parent, and not by its Ctrl-C."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

STOP_SECONDS = 60.0

# Runs as the child and becomes the command. On Linux it asks to be sent SIGTERM when its parent dies, which
# outlasts exec; elsewhere a child can outlive a parent that was killed.
_BECOME = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the parent died first")
os.execvp(sys.argv[2], sys.argv[2:])
"""


def start(
    command: Sequence[str],
    output: IO[bytes] | int,
    environment: Mapping[str, str] | None = None,
    inherited: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a command that writes what it says to `output`, in a session of its own.

    `output` is a file or subprocess.DEVNULL. `inherited` are file descriptors that stay open in it; `environment`
    takes the place of this process' own.
    """
    return subprocess.Popen(  # noqa: S603 - our own command, or one that the user gave
        [sys.executable, "-I", "-S", "-c", _BECOME, str(os.getpid()), *command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=environment,
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
