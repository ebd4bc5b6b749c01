"""Where in a completion the answer stands. Each takes time in proportion to the text, however degenerate it is."""

import re

BOX_OR_BRACE = re.compile(r"\\boxed\s*\{|\\.|[{}]", re.DOTALL)
FENCE = "```"
PYTHON = {"python", "python3", "py"}


def last_boxed(text: str) -> str | None:
    r"""What stands in the last complete \boxed{…}; None if there is none. Escaped braces do not count."""
    last = None
    open_braces: list[int | None] = []  # where the content of a box starts, None for any other brace
    for found in BOX_OR_BRACE.finditer(text):
        piece = found.group()
        if piece == "{":
            open_braces.append(None)
        elif piece.startswith(r"\boxed"):
            open_braces.append(found.end())
        elif piece == "}" and open_braces:
            start = open_braces.pop()
            if start is not None:
                last = text[start : found.start()]
    return last


def last_tagged(text: str, tag: str = "answer") -> str | None:
    """What stands in the last complete <answer>…</answer>, without surrounding space; None if there is none."""
    end = text.rfind(f"</{tag}>")
    start = text.rfind(f"<{tag}>", 0, max(end, 0))
    return None if start < 0 else text[start + len(tag) + 2 : end].strip()


def last_python_block(text: str) -> str | None:
    """The code in the last complete block fenced as ```python; None if there is none."""
    last = language = None
    start = 0
    lines = text.split("\n")
    for number, line in enumerate(map(str.strip, lines)):
        if line == FENCE and language is not None:
            if language in PYTHON:
                last = "\n".join(lines[start:number])
            language = None
        elif line.startswith(FENCE):
            language, start = line.removeprefix(FENCE).strip().lower(), number + 1
    return last
