from io import StringIO

import pytest
from rich.console import Console

from services.command_line import waiting
from services.command_line.waiting import going_on, silence


def test_without_a_terminal_lines_tell_that_it_goes_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(waiting, "LONGEST_SILENCE", 0.01)
    out = StringIO()
    with going_on("measuring", Console(file=out)) as say:
        assert out.getvalue() == "measuring …\n"
        say("measuring: 7 of 10")
        while out.getvalue().count("measuring: 7 of 10 …\n") < 2:
            pass
    told = out.getvalue()
    assert set(told.splitlines()) == {"measuring …", "measuring: 7 of 10 …"}


def test_on_a_terminal_a_spinner_tells_that_it_goes_on():
    out = StringIO()
    with going_on("measuring", Console(file=out, force_terminal=True)) as say:
        say("measuring: 7 of 10")
    assert "measuring" in out.getvalue()


def test_a_long_job_says_less_often_that_it_goes_on():
    assert silence(0) == silence(100) == 4
    assert silence(3600) == 36
