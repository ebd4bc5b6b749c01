"""`python -m tests.services.trainer.killed CALL NUMBER CONFIG`: a training that dies after so many such calls.

CALL is select or report.

The process kills itself as soon as the selector has answered that call, before it does anything with the answer.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from services.trainer.command import train
from trainer_client import SelectorClient


def kill_after(call: str, number: int) -> None:
    answered = 0
    original = getattr(SelectorClient, call)

    def dying(*args: Any, **kwargs: Any) -> Any:
        nonlocal answered
        answer = original(*args, **kwargs)
        answered += 1
        if answered == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(SelectorClient, call, dying)


if __name__ == "__main__":
    kill_after(sys.argv[1], int(sys.argv[2]))
    train(Path(sys.argv[3]))
