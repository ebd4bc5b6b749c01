"""Child processes that end with the process that started them, and the locks that they hold on for it."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Sequence

# Runs as the child and becomes the command. On Linux it asks to be sent SIGTERM when its parent dies; that outlasts
# exec, and is done here because code between fork and exec is unsafe in a process with threads. Elsewhere a child
# can outlive a parent that was killed.
_BECOME = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the parent died first")
os.execvp(sys.argv[2], sys.argv[2:])
"""


def ending_with_this(command: Sequence[str]) -> list[str]:
    """A command that becomes `command`, and that is ended by SIGTERM when this process dies."""
    return [sys.executable, "-I", "-S", "-c", _BECOME, str(os.getpid()), *command]


def locked(lock: int) -> bool:
    """Take the lock of an open file, if no other process has it; whether it is taken. Children may inherit it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
