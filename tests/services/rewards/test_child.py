import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from services.command_line.failures import Failure
from services.rewards.child import Child, ChildError
from services.rewards.scorer import Scorer

FUNCTIONS = """
import os, sys, threading

def made(function):
    return lambda: function

@made
def length(completion, answer):
    print("noise")
    print("noise", file=sys.__stdout__)
    os.write(1, b"noise")
    return len(completion) + len(answer)

@made
def process(completion, answer):
    return os.getpid()

@made
def hangs(completion, answer):
    if completion == "forever":
        threading.Event().wait()
    if completion == "years":
        9 ** 9 ** 9 ** 9
    return 1.0

@made
def raises(completion, answer):
    raise LookupError("no " + completion)

@made
def ends(completion, answer):
    if completion == "end":
        os._exit(3)
    return 1.0

@made
def text(completion, answer):
    return "high"

def unmade():
    import no_such_library
"""


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Child]:
    (tmp_path / "functions_of_a_child.py").write_text(FUNCTIONS)
    monkeypatch.syspath_prepend(tmp_path)
    return lambda name, seconds=60.0: Child(f"functions_of_a_child:{name}", seconds)


def test_it_calls_the_function_whatever_that_prints(child):
    length = child("length")
    assert length("four", ["and", "two"]) == 6
    assert length("𝟙\n\udc80", {"ü": None}) == 4


def test_calls_share_a_process(child):
    process = child("process")
    assert process("", "") == process("", "")


@pytest.mark.parametrize("work", ["forever", "years"])
def test_what_takes_too_long_is_ended_and_the_next_call_works(child, work):
    hangs = child("hangs", seconds=0.2)
    with pytest.raises(TimeoutError, match=r"hangs took longer than 0\.2 seconds"):
        hangs(work, "")
    assert hangs("short", "") == 1.0


def test_what_takes_too_long_counts_as_a_failure(child):
    scorer = Scorer(child("hangs", seconds=0.2))
    assert [scorer.score("forever", ""), scorer.score("short", "")] == [0.0, 1.0]
    assert scorer.failures == 1


def test_an_exception_comes_with_its_kind_and_traceback(child):
    raises = child("raises")
    with pytest.raises(ChildError, match=r"in raises[\s\S]*LookupError: no luck") as error:
        raises("luck", "")
    assert error.value.kind == "LookupError"


def test_exceptions_of_one_kind_are_logged_once(child, caplog):
    scorer = Scorer(child("raises"))
    assert [scorer.score("luck", ""), scorer.score("fun", "")] == [0.0, 0.0]
    assert caplog.text.count("LookupError: no luck") == 1
    assert "no fun" not in caplog.text


def test_what_is_no_number_is_an_error(child):
    with pytest.raises(ChildError) as error:
        child("text")("", "")
    assert error.value.kind == "ValueError"


def test_a_process_that_ends_itself_is_replaced(child):
    ends = child("ends")
    with pytest.raises(RuntimeError, match="its process ended with status 3"):
        ends("end", "")
    assert ends("go on", "") == 1.0


def test_an_answer_unlike_json_is_an_error_and_nothing_worse(child):
    length = child("length")
    with pytest.raises(TypeError):
        length("", object())
    assert length("a", "b") == 2


def test_it_works_from_any_thread(child):
    length = child("length")
    results = []
    threads = [
        threading.Thread(target=lambda text=str(i) * i: results.append(length(text, "") == len(text)))
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8


@pytest.mark.parametrize(
    ("maker", "told"),
    [
        ("no_such_module_here:f", "No module named 'no_such_module_here'"),
        ("json:fetch", "has no attribute 'fetch'"),
        ("functions_of_a_child:unmade", "No module named 'no_such_library'"),
        ("os:abort", "its process ended with status -6"),
    ],
)
@pytest.mark.usefixtures("child")
def test_a_function_that_cannot_be_made_is_told_at_once(maker, told):
    with pytest.raises(Failure, match=told):
        Child(maker, 60.0)
