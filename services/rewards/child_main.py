"""What runs in the process of a `Child`: reads a call a line from stdin and answers it with a line on stdout."""

import json
import logging
import os
import resource
import signal
import sys
import traceback
import warnings
from typing import Any

from services.rewards.function import find_function

MEMORY_BYTES = 8 * 2**30


def main(maker: str, seconds: float) -> None:
    """Answer calls until stdin ends. The kernel ends the process when a call takes longer than `seconds`."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Libraries print what they like.
    logging.disable()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    # Where all processes of a job get it, the training still needs its rewards: this one ends with its stdin.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def reply(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=replies, flush=True)

    try:
        function = find_function(maker)()
    except Exception as error:
        reply({"error": f"{type(error).__name__}: {error}"})
        return
    reply({})
    for line in sys.stdin:
        call = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            message = {"score": float(function(call["completion"], call["answer"]))}
        except Exception as error:
            message = {"kind": type(error).__name__, "error": traceback.format_exc()}
        signal.setitimer(signal.ITIMER_REAL, 0)
        reply(message)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
