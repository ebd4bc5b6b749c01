"""`python -m tests.services.trainer.killed SIGNAL CALL NUMBER CONFIG`: a training that gets a signal in its course.

SIGNAL is SIGKILL or SIGTERM, CALL select or report.

The process sends itself the signal as soon as the selector has answered that call, before it does anything with the
answer.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from services.command_line.failures import printed_failures
from services.trainer.command import train
from trainer_client import SelectorClient


def kill_after(name: str, call: str, number: int) -> None:
    answered = 0
    original = getattr(SelectorClient, call)

    def dying(*args: Any, **kwargs: Any) -> Any:
        nonlocal answered
        answer = original(*args, **kwargs)
        answered += 1
        if answered == number:
            os.kill(os.getpid(), signal.Signals[name])
        return answer

    setattr(SelectorClient, call, dying)


if __name__ == "__main__":
    kill_after(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    with printed_failures():
        train(Path(sys.argv[4]))
