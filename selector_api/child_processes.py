"""Child processes that end with the process that started them, and the locks that they hold on for it."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Sequence

# Runs as the child and becomes the command. On Linux it asks to be sent a signal when its parent dies; that
# outlasts exec, as blocked signals do, and is done here because code between fork and exec is unsafe in a process
# with threads. Elsewhere a child can outlive a parent that was killed.
_BECOME = """
import ctypes, os, signal, sys
number = int(sys.argv[2])
signal.signal(number, signal.SIG_DFL)
if number != signal.SIGTERM:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
if sys.platform == "linux":
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the parent died first")
os.execvp(sys.argv[3], sys.argv[3:])
"""


def ending_with_this(command: Sequence[str], ended_by: signal.Signals = signal.SIGTERM) -> list[str]:
    """A command that becomes `command`, and that is ended by a signal when this process dies.

    With another signal than SIGTERM that one does not reach it: what sends SIGTERM to all processes of a job, as
    Slurm does, leaves to this process when the child ends.
    """
    return [sys.executable, "-I", "-S", "-c", _BECOME, str(os.getpid()), str(int(ended_by)), *command]


def locked(lock: int) -> bool:
    """Take the lock of an open file, if no other process has it; whether it is taken. Children may inherit it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def can_be_locked(lock: int) -> bool:
    """Whether the file system of an open file has locks; some that machines share have none."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    fcntl.flock(lock, fcntl.LOCK_UN)
    return True
