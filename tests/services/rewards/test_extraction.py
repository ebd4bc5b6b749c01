import pytest

from services.rewards.extraction import last_boxed, last_python_block, last_tagged


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (r"so \boxed{5}.", "5"),
        (r"\boxed{1} then \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\text{a {b} c}} and {more}", r"\text{a {b} c}"),
        (r"\boxed {5}", "5"),
        (r"\boxed{\boxed{5}}", r"\boxed{5}"),
        (r"} } \boxed{5} {", "5"),
        (r"{ \boxed{5}", "5"),
        (r"\boxed{5} and again \boxed{6", "5"),
        (r"\boxed{}", ""),
        ("\\boxed{1\n2}", "1\n2"),
        (r"\boxed{5", None),
        (r"\boxed 5", None),
        ("5", None),
        ("", None),
        (r"\boxed{" * 20_000, None),
    ],
)
def test_the_last_complete_box_counts(text, content):
    assert last_boxed(text) == content


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("<answer>5</answer>", "5"),
        ("<answer>4</answer> no: <answer>\n 5 6\n</answer>", "5 6"),
        ("<answer>5</answer> <answer>6", "5"),
        ("<answer><answer>5</answer>", "5"),
        ("<answer></answer>", ""),
        ("</answer>5<answer>", None),
        ("5", None),
        ("<answer>" * 20_000, None),
    ],
)
def test_the_last_complete_tag_counts(text, content):
    assert last_tagged(text) == content


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```python\nprint(1)\n```", "print(1)"),
        ("```python\na\n```\nor\n```py\nb\n```\nprints\n```\n5\n```", "b"),
        ("```python  \nx = '```'\n```", "x = '```'"),
        ("- so:\n  ```python\n  a\n  ```", "  a"),
        ("```cpp\na\n```", None),
        ("```python\nprint(1)", None),
        ("print(1)", None),
        ("```Python\na\n\n```", "a\n"),
        ("```\nno language\n```python\na\n```", "a"),
        ("```cpp\nb\n```\n```python\na\n```\n```cpp\nb\n```", "a"),
        ("```python\n" * 20_000, None),
    ],
)
def test_the_last_complete_block_of_python_counts(text, code):
    assert last_python_block(text) == code
