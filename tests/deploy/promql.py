"""What a PromQL query asks for: its metrics, their labels, and the labels of its answer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import promql_parser
from promql_parser import AggModifierType, AggregateExpr, Expr, VectorSelector

_SIGNS = {"MatchOp.Equal": "=", "MatchOp.NotEqual": "!=", "MatchOp.Re": "=~", "MatchOp.NotRe": "!~"}


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

    selectors: list[Selector] = field(default_factory=list)
    result: set[str] | None = None


def parse(text: str) -> Query:
    """Read a query, of Prometheus or of a panel in Grafana.

    Raises:
        ValueError: it is not PromQL.
    """
    query = Query()
    groupings: list[set[str]] = []
    """Those around what is visited, from the outside."""

    def enter(part: Expr) -> None:
        if isinstance(part, VectorSelector):
            matchers = [
                Matcher(each.name, _SIGNS[str(each.op)], each.value) for each in part.matchers.matchers
            ]
            query.selectors.append(Selector(part.name or "", matchers, set().union(*groupings)))
        elif (labels := _grouping(part)) is not None:
            groupings.append(labels)
            query.result = (query.result or set()) | labels

    def leave(part: Expr) -> None:
        if _grouping(part) is not None:
            groupings.pop()

    promql_parser.walk(promql_parser.parse(text.replace("$__rate_interval", "1m")), enter, leave)
    return query


def _grouping(part: Expr) -> set[str] | None:
    """The labels of `sum by (…)`, None of anything else."""
    if isinstance(part, AggregateExpr) and part.modifier and part.modifier.type == AggModifierType.By:
        return set(part.modifier.labels)
    return None
