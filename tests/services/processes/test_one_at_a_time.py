from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from services.command_line.failures import Failure
from services.processes import one_at_a_time
from services.processes.one_at_a_time import LOCK, only_one


def test_a_second_process_on_a_folder_is_told_who_is_at_work_there(tmp_path: Path):
    folder = tmp_path / "work"
    said = f"output: {folder} is in use by process {os.getpid()} on {socket.gethostname()}"
    with only_one(folder), pytest.raises(Failure, match=said), only_one(folder, "output: "):
        pass
    with only_one(folder):  # it ended
        pass


@pytest.mark.parametrize("owner", ["", "none", "999999999 " + socket.gethostname(), "1 elsewhere"])
def test_what_a_killed_process_has_started_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: str
):
    answers = [False, False, True]
    monkeypatch.setattr(one_at_a_time, "locked", lambda _: answers.pop(0))
    monkeypatch.setattr(one_at_a_time, "POLL_SECONDS", 0)
    (tmp_path / LOCK).write_text(owner)
    with only_one(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()} {socket.gethostname()}"


def test_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(one_at_a_time, "locked", lambda _: False)
    monkeypatch.setattr(one_at_a_time, "WAIT_SECONDS", -1)
    (tmp_path / LOCK).write_text("7 elsewhere")
    with pytest.raises(Failure, match="in use by process 7 on elsewhere"), only_one(tmp_path):
        pass


def test_a_file_system_without_locks_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def refuse(_: int) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(one_at_a_time, "locked", refuse)
    with only_one(tmp_path):
        pass
    assert "cannot be locked" in caplog.text


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    said = r"output: .*file/work: Not a directory"
    with pytest.raises(Failure, match=said), only_one(tmp_path / "file/work", "output: "):
        pass
