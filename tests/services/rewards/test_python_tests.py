import json
from pathlib import Path
from typing import Any

import pytest

from services.rewards import make_scorer
from services.rewards.python_tests import PythonTests

SUM = {"inputs": ["1 2\n", "3 4\n"], "outputs": ["3\n", "7\n"]}
DOUBLE = {"functional": "assert Solution().double(2) == 4\nassert Solution().double(0) == 0"}


def reward(program: str, answer: Any, **members: Any) -> float:
    scorer = make_scorer(PythonTests.model_validate({"type": "python-tests", **members}))
    result = scorer.score(f"I would write\n```python\n{program}\n```\n", answer)
    assert scorer.failures == 0
    return result


@pytest.mark.parametrize("answer", [SUM, json.dumps(SUM)])
def test_a_program_that_prints_what_it_should_is_worth_1(answer):
    assert reward("print(sum(map(int, input().split())))", answer) == 1.0


@pytest.mark.parametrize(
    "program",
    [
        "print(3)",
        "print(0)",
        "print(sum(map(int, input().split())) + 1)",
        "print(sum(map(int, input().split()))); 1 / 0",
        "print(sum(map(int, input().split()))); raise SystemExit(1)",
        "def (",
        "",
    ],
)
def test_a_program_that_fails_a_test_is_worth_0(program):
    assert reward(program, SUM) == 0.0


@pytest.mark.parametrize("completion", ["print(3)", "```cpp\nint main() {}\n```", "```python\nprint(3)", ""])
@pytest.mark.parametrize("answer", [{"inputs": [""], "outputs": ["3"]}, DOUBLE])
def test_a_completion_without_a_program_is_worth_0(completion, answer):
    scorer = make_scorer(PythonTests(type="python-tests"))
    assert (scorer.score(completion, answer), scorer.failures) == (0.0, 0)


@pytest.mark.parametrize(
    ("printed", "wanted", "worth"),
    [
        ("1  2 \n3\n\n", "1 2\n3", 1.0),
        ("1 2\n3", "1\n2 3", 0.0),
        ("0.3333333", "0.3333335", 1.0),
        ("0.333", "0.334", 0.0),
        ("YES", "Yes", 1.0),
        ("ABC", "abc", 0.0),
        ("é", "é", 1.0),
        ("", "", 1.0),
        ("1", "", 0.0),
        ("nan", "1", 0.0),
        ("1000000000000000000", "1000000000000000001", 0.0),
    ],
)
def test_what_counts_as_the_same_output(printed, wanted, worth):
    program = f"import sys; sys.stdout.buffer.write({printed.encode()!r})"
    assert reward(program, {"inputs": [""], "outputs": [wanted]}) == worth


def test_a_function_that_passes_its_tests_is_worth_1():
    program = "class Solution:\n    def double(self, x):\n        return 2 * x"
    assert reward(program, DOUBLE) == 1.0
    assert reward(program.replace("2 * x", "x"), DOUBLE) == 0.0


def test_a_prefix_comes_before_the_program():
    program = "class Solution:\n    def double(self, x: List[int]):\n        return 2 * x"
    assert reward(program, DOUBLE) == 0.0
    assert reward(program, {**DOUBLE, "prefix": "from typing import *"}) == 1.0
    assert reward(program, {**DOUBLE, "prefix": None}) == 0.0


@pytest.mark.parametrize("program", ["raise SystemExit", "import os\nos._exit(0)", "exit()"])
def test_a_program_that_ends_before_its_tests_is_worth_0(program):
    assert reward(program, DOUBLE) == 0.0


@pytest.mark.parametrize(
    "program",
    [
        "while True: pass",
        "import threading; threading.Event().wait()",
        "x = bytearray(2**30)",
        "while True: print('x' * 2**20)",
        "import os, time\nif os.fork() == 0:\n    time.sleep(3600)\nwhile True: pass",
    ],
    ids=["computes", "waits", "memory", "output", "forks"],
)
def test_a_program_within_no_limits_is_worth_0(program):
    assert reward(program, {"inputs": [""], "outputs": [""]}, seconds=0.5, memory_mib=256) == 0.0


def test_a_program_sees_neither_environment_nor_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SELECTOR_TOKEN", "secret")
    monkeypatch.chdir(tmp_path)
    Path("private.py").write_text("")
    program = """
import os
print("SELECTOR_TOKEN" in os.environ, os.path.exists("private.py"))
try:
    import private
except ImportError:
    print("alone")
"""
    assert reward(program, {"inputs": [""], "outputs": ["False False\nalone"]}) == 1.0


@pytest.mark.parametrize(
    "answer",
    [
        "no JSON",
        "[1]",
        {},
        {"inputs": []},
        {"inputs": [], "outputs": []},
        {"inputs": ["1"], "outputs": []},
        None,
    ],
)
def test_an_answer_without_tests_is_a_failure(answer):
    scorer = make_scorer(PythonTests(type="python-tests"))
    assert scorer.score("```python\nprint(1)\n```", answer) == 0.0
    assert scorer.failures == 1
