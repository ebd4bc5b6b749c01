import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.processes import children

ROOT = Path(__file__).parents[3]
linux = pytest.mark.skipif(
    sys.platform != "linux", reason="needs pidfd, or the end of a child with its parent"
)


def test_what_a_child_says_goes_to_the_output_and_its_environment_is_the_one_given(tmp_path: Path):
    code = "import os, sys; print(os.environ['NAME']); print('wrong', file=sys.stderr)"
    with (tmp_path / "log").open("wb") as log:
        process = children.start([sys.executable, "-c", code], log, os.environ | {"NAME": "value"})
    assert process.wait() == 0
    assert set((tmp_path / "log").read_text().splitlines()) == {"value", "wrong"}


@pytest.mark.parametrize("environment", [None, {"PATH": os.environ["PATH"]}])
def test_a_child_that_crashes_says_where(tmp_path: Path, environment: dict[str, str] | None):
    code = "import os, signal\ndef crashes(): os.kill(os.getpid(), signal.SIGSEGV)\ncrashes()"
    with (tmp_path / "log").open("wb") as log:
        process = children.start([sys.executable, "-c", code], log, environment)
    assert process.wait() == -signal.SIGSEGV
    said = (tmp_path / "log").read_text()
    assert "Fatal Python error: Segmentation fault" in said
    assert "in crashes" in said


@linux
def test_a_child_and_what_it_started_end_together(tmp_path: Path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    code = f"import subprocess, sys; subprocess.run(['sh', '-c', 'echo $$ > {fifo}; exec sleep 600'])"
    process = children.start([sys.executable, "-c", code], subprocess.DEVNULL)
    grandchild = int(fifo.read_text())
    children.end([process])
    assert process.returncode == -signal.SIGTERM
    assert_ends(grandchild)


def test_a_child_that_does_not_end_is_killed(tmp_path: Path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    code = (
        f"import signal; signal.signal(15, signal.SIG_IGN); open({str(fifo)!r}, 'w').close(); signal.pause()"
    )
    process = children.start([sys.executable, "-c", code], subprocess.DEVNULL)
    fifo.read_text()
    children.end([process], seconds=0.1)
    assert process.returncode == -signal.SIGKILL


@linux
def test_a_child_ends_with_its_parent(tmp_path: Path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    command = ["sh", "-c", f"echo $$ > {fifo}; exec sleep 600"]
    code = (
        "import signal, subprocess; from services.processes import children\n"
        f"children.start({command!r}, subprocess.DEVNULL); signal.pause()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    child = int(fifo.read_text())
    parent.kill()
    parent.wait()
    assert_ends(child)


def assert_ends(pid: int) -> None:
    """Wait for the end of a process that is not this one's child; the test's time limit is the deadline."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    select.select([handle], [], [])
    os.close(handle)
