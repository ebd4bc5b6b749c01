"""How a command fails: a message on stderr and an exit status, without a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

PASSING = 1
"""Exit status of what may pass by itself: the same command may succeed later."""
MISTAKE = 2
"""Exit status of what stays until somebody has changed it: the command, a file, a name."""
INTERRUPTED = 130
"""Exit status after Ctrl-C."""
TERMINATED = 143
"""Exit status after SIGTERM, when what was at work is finished."""
SHOWN_CHARACTERS = 80

RED, PLAIN = "\033[31m", "\033[0m"
OURS = {"bots", "selector_api", "services", "trainer_client"}


class Failure(Exception):
    """Something that the user has to know. Whoever starts programs again, such as a Job, does so by `exit_code`."""

    def __init__(self, message: str, exit_code: int = MISTAKE):
        super().__init__(message)
        self.exit_code = exit_code


def shown(value: object) -> str:
    """A value as a message shows it: its beginning, if it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def of_file(error: OSError) -> int:
    """The exit status of a file that cannot be used: a full disk may pass, a wrong path does not."""
    mistakes = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError)
    return MISTAKE if isinstance(error, mistakes) else PASSING


@contextmanager
def printed_failures() -> Iterator[None]:
    """Inside, a `Failure` ends the process: its message goes to stderr, its status is the process'."""
    try:
        yield
    except Failure as failure:
        message = f"Error: {failure}"
        print(f"{RED}{message}{PLAIN}" if sys.stderr.isatty() else message, file=sys.stderr)
        sys.exit(failure.exit_code)


@contextmanager
def needing_extra(*names: str) -> Iterator[None]:
    """Around imports: a library that is not installed is a `Failure` that says which of these extras have it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in OURS:
            raise
        commands = " or ".join(f"pip install 'bots-selector[{name}]'" for name in names)
        raise Failure(f"{error.name} is not installed; it comes with {commands}") from error
