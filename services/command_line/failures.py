"""How a command fails: a message on stderr and an exit status, without a traceback."""

MISTAKE = 2
"""Exit status when the command was called wrongly."""
INTERRUPTED = 130
"""Exit status after Ctrl-C."""


class Failure(Exception):
    """Something that the user has to know; `exit_code` is 1 unless the command was called wrongly."""

    def __init__(self, message: str, exit_code: int = 1):
        super().__init__(message)
        self.exit_code = exit_code
