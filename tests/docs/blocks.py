"""The blocks of commands in README and the how-tos, and a shell for them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/how-to/**/*.md")))]

_BLOCK = re.compile(r"^```bash\n(.*?)^```|(?<=\n\n)((?: {4}[^\n]*\n|\n(?= {4}))+)", re.DOTALL | re.MULTILINE)


def blocks(document: str) -> Iterator[str]:
    """Its blocks of commands: fences of bash, and what is indented by four."""
    text = (ROOT / document).read_text()
    text = re.sub(r"^```(?!bash$|$).*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    for fenced, indented in _BLOCK.findall(text):
        yield fenced or re.sub("^ {4}", "", indented, flags=re.MULTILINE)


def block(document: str, start: str) -> str:
    """The one that begins so."""
    return next(each for each in blocks(document) if each.startswith(start))


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """A reader's: the programs of this Python's environment, and no settings but those given."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("SELECTOR_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return given | {"PATH": path} | dict(variables)


def shell(commands: str, folder: Path, variables: Mapping[str, str] | None = None) -> str:
    """Run commands as a reader does who stands in `folder`; what they wrote. Fails with what they complain of."""
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment(variables or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{commands}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


@contextmanager
def going_on(
    command: str, folder: Path, says: str, variables: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run what goes on until Ctrl-C; gives the first line it writes in which `says` is found."""
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environment(variables or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    written: list[str] = []
    try:
        for line in process.stdout:
            written.append(line)
            if re.search(says, line):
                break
        else:
            raise AssertionError(f"{command}\n{''.join(written)}")
        yield line
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode in (0, 130), (
        f"{command} ended with {process.returncode}\n{''.join(written)}{rest}"
    )
