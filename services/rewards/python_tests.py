"""Programs in Python, run on tests."""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from pydantic import Field

from services.command_line.configuration import Section
from services.rewards.extraction import last_python_block

FILE_BYTES = 16 * 2**20
NUMBERS_DIFFER_BY = 1e-6
LAUNCH = """
import resource, runpy, sys
seconds, memory, file = map(int, sys.argv[1:4])
limits = {"CPU": seconds, "AS": memory, "FSIZE": file, "CORE": 0}
for name, value in limits.items():
    resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
sys.argv = ["program.py"]
runpy.run_path("program.py", run_name="__main__")
"""


class PythonTests(Section):
    """1 if the program in the completion's last ```python block passes every test of the answer, else 0.

    The answer is a mapping, or the text of one in JSON, as in GURU's code tasks: either `inputs` and `outputs`,
    lists of what the program reads from stdin and what it has to print, or `functional`, statements that are run
    after the program and raise if it is wrong, with an optional `prefix` of statements that are run before it.
    Printed numbers may differ by 1e-6, and yes and no in case.

    Programs run as `python -I` in an empty folder, without the environment's variables, within limits of time,
    memory and file size; each test starts Python, about 0.1 s. That keeps mistakes from doing harm; it is no
    sandbox against malice, as a program can still read files, its own tests among them, open connections, and leave
    processes behind in a session of their own. Train on code in a container without network and without secrets.
    """

    type: Literal["python-tests"]
    seconds: float = Field(default=10, gt=0, le=3600, description="what a test may take")
    memory_mib: int = Field(default=1024, ge=64, description="address space that a test may use, in MiB")

    def make(self) -> Callable[[str, Any], float]:
        """The function that scores."""
        return self._score

    def _score(self, completion: str, answer: Any) -> float:
        tests = json.loads(answer) if isinstance(answer, str) else answer
        if not isinstance(tests, Mapping):
            raise ValueError(
                f"answer: got a {type(tests).__name__}; give `inputs` and `outputs`, or `functional`"
            )
        program = last_python_block(completion)
        if "functional" in tests:
            return float(program is not None and self._passes(program, tests))
        inputs, outputs = tests.get("inputs"), tests.get("outputs")
        if (
            not isinstance(inputs, list)
            or not isinstance(outputs, list)
            or not len(inputs) == len(outputs) > 0
        ):
            raise ValueError("answer: give `inputs` and `outputs`, lists of one length, or `functional`")
        return float(
            program is not None
            and all(
                _same_output(self._output(program, given), wanted)
                for given, wanted in zip(inputs, outputs, strict=True)
            )
        )

    def _passes(self, program: str, tests: Mapping[str, Any]) -> bool:
        # A program that ends itself before its tests also ends well; this is written by one that got through them.
        mark = secrets.token_hex(16)
        end = f"__import__('os').write(1, b'{mark}')"
        output = self._output("\n".join([tests.get("prefix") or "", program, tests["functional"], end]), "")
        return output is not None and mark in output

    def _output(self, program: str, given: str) -> str | None:
        """What the program prints; None if it fails or exceeds a limit."""
        limits = [ceil(self.seconds), self.memory_mib * 2**20, FILE_BYTES]
        with TemporaryDirectory(prefix="python-tests-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            (folder / "program.py").write_text(program, encoding="utf-8", errors="replace")
            (folder / "stdin").write_text(given, encoding="utf-8")
            with (folder / "stdin").open("rb") as stdin, (folder / "stdout").open("w+b") as stdout:
                process = subprocess.Popen(  # noqa: S603 - what this reward is for
                    [sys.executable, "-I", "-c", LAUNCH, *map(str, limits)],
                    stdin=stdin,
                    stdout=stdout,
                    stderr=subprocess.DEVNULL,
                    cwd=folder,
                    env={
                        "OMP_NUM_THREADS": "1",
                        "OPENBLAS_NUM_THREADS": "1",
                    },  # A thread takes address space.
                    start_new_session=True,
                )
                try:
                    status = process.wait(self.seconds)
                except subprocess.TimeoutExpired:
                    status = None
                finally:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                stdout.seek(0)
                return stdout.read().decode(errors="replace") if status == 0 else None


def _same_output(printed: str | None, wanted: str) -> bool:
    """Whether the same words stand on the same lines; space at the end of lines and of the text does not matter."""
    if printed is None:
        return False
    lines, wanted_lines = printed.strip().splitlines(), wanted.strip().splitlines()
    return len(lines) == len(wanted_lines) and all(map(_same_line, lines, wanted_lines))


def _same_line(line: str, wanted: str) -> bool:
    words, wanted_words = line.split(), wanted.split()
    return len(words) == len(wanted_words) and all(map(_same_word, words, wanted_words))


def _same_word(word: str, wanted: str) -> bool:
    if word == wanted:
        return True
    if wanted.casefold() in ("yes", "no"):
        return word.casefold() == wanted.casefold()
    with suppress(ValueError):
        return int(word) == int(wanted)  # floats would blur those above 2^53
    try:
        return abs(float(word) - float(wanted)) <= NUMBERS_DIFFER_BY
    except ValueError:
        return False
