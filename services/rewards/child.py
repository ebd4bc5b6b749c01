r"""Functions that may hang or exhaust memory on what a model writes, run in a process of their own.

Symbolic mathematics is such a function: comparing \boxed{9^{9^{9}}} with 5 takes years, and no signal or thread of
this process could end it, since the interpreter never gets control back.
"""

import json
import os
import signal
import subprocess
import sys
import weakref
from contextlib import suppress
from threading import Lock
from typing import Any

from services.command_line.failures import Failure


class ChildError(Exception):
    """The function raised; `kind` is the name of the exception's class, the message its traceback."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


class Child:
    """Calls a function with a completion and an answer, in a process of its own.

    `maker` names, as "package.module:name", what makes the function; it is called once, in that process, and
    imports what the function needs. A call that takes longer than `seconds` is ended with its process, and raises
    TimeoutError; the next call starts a new process. Answers travel as JSON. Calls from several threads wait for
    each other. Raises `Failure` here if the function cannot be made.
    """

    def __init__(self, maker: str, seconds: float):
        self._maker = maker
        self._seconds = seconds
        self._lock = Lock()
        self._start()

    def __call__(self, completion: str, answer: Any) -> float:
        """What the function returns. Raises TimeoutError, ChildError, and TypeError for an answer unlike JSON."""
        request = json.dumps({"completion": completion, "answer": answer})
        with self._lock:
            if not self._end.alive:
                self._start()
            try:
                reply = self._exchange(request)
            except BaseException:
                self._end()  # Or the next call would read this one's reply.
                raise
        if "error" in reply:
            raise ChildError(reply["kind"], reply["error"])
        return reply["score"]

    def _start(self) -> None:
        process = subprocess.Popen(  # noqa: S603 - our own module; with -P the current directory has no say in which
            [sys.executable, "-P", "-m", "services.rewards.child_main", self._maker, str(self._seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is the trainer's to handle.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._process = process
        self._end = weakref.finalize(self, _end, process)
        try:
            started = self._reply()
        except RuntimeError as error:
            started = {"error": str(error)}
        except BaseException:
            self._end()
            raise
        if "error" in started:
            self._end()
            raise Failure(
                f"reward: {self._maker}: {started['error']}; the extra 'trainer' has what rewards need"
            )

    def _exchange(self, request: str) -> dict[str, Any]:
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.write(request + "\n")
            self._process.stdin.flush()
        return self._reply()

    def _reply(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        status = self._process.wait()
        if status == -signal.SIGALRM:
            raise TimeoutError(f"{self._maker} took longer than {self._seconds} seconds")
        raise RuntimeError(f"{self._maker}: its process ended with status {status}")


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            assert pipe
            pipe.close()
