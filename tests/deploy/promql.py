"""What a PromQL query asks for: enough of the language for our own dashboard and alerts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKENS = re.compile(
    r"""
    (?P<string> "(?:[^"\\]|\\.)*" )
  | (?P<range> \[ [^\]]* \] )
  | (?P<word> [a-zA-Z_:][a-zA-Z0-9_:]* )
  | (?P<number> [0-9.]+ )
  | (?P<sign> [=!]~ | [=!<>]= | [-+*/%^<>=(){},] )
  | (?P<blank> \s+ )
    """,
    re.VERBOSE,
)
_GROUPING = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_CALLS = frozenset({"(", "by", "without"})
"""What follows the name of a function or of an aggregation."""
_OPERATORS = frozenset({"and", "or", "unless", "bool", "offset"})


@dataclass(frozen=True)
class Matcher:
    """`label`, one of = != =~ !~, and the value."""

    label: str
    sign: str
    value: str

    def fits(self, value: str) -> bool:
        """Whether a label's value is one that the matcher names, whether to take it or to leave it out."""
        return value == self.value if "~" not in self.sign else bool(re.fullmatch(self.value, value))


@dataclass
class Selector:
    """A metric, which of its series are wanted, and by which labels they are grouped."""

    metric: str
    matchers: list[Matcher] = field(default_factory=list)
    grouped: set[str] = field(default_factory=set)


@dataclass
class Query:
    """The metrics of a query, and the labels that its answer can have, None if that is all they have."""

    selectors: list[Selector]
    result: set[str] | None


def parse(text: str) -> Query:
    """Read a query.

    Raises:
        ValueError: it holds something that is not known here.
    """
    tokens = list(_tokens(text))
    selectors: dict[int, Selector] = {}
    groups: list[tuple[int, int, set[str]]] = []
    at = 0
    while at < len(tokens):
        word = tokens[at]
        following = tokens[at + 1] if at + 1 < len(tokens) else ""
        if word in _GROUPING:
            end = _closing(tokens, at + 1)
            labels = set(tokens[at + 2 : end]) - {","}
            operand = end + 1
            if word == "by":
                groups.append((operand, _closing(tokens, operand), labels))
            at = end
        elif re.match(r"[a-zA-Z_:]", word) and word not in _OPERATORS and following not in _CALLS:
            selector = selectors[at] = Selector(word)
            if following == "{":
                end = tokens.index("}", at)
                parts = [token for token in tokens[at + 2 : end] if token != ","]
                for label, sign, value in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
                    selector.matchers.append(Matcher(label, sign, value[1:-1]))
                at = end
        at += 1
    for place, selector in selectors.items():
        selector.grouped.update(*(labels for start, end, labels in groups if start < place < end))
    result = set().union(*(labels for _, _, labels in groups)) if groups else None
    return Query(list(selectors.values()), result)


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        match = _TOKENS.match(text, at)
        if match is None:
            raise ValueError(f"cannot read {text[at:]!r}")
        at = match.end()
        if match.lastgroup not in ("blank", "range"):
            yield match.group()


def _closing(tokens: list[str], opening: int) -> int:
    """Where the parenthesis closes that opens there."""
    if tokens[opening : opening + 1] != ["("]:
        raise ValueError("a grouping stands before what it groups: write sum by (label) (…)")
    depth = 0
    for at in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[at], 0)
        if depth == 0:
            return at
    raise ValueError("a parenthesis is not closed")
