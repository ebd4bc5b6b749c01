"""What `bots replay` found, as JSON and as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from selector_api.core.course import BINS
from selector_api.core.replay import Forecast, Replay
from selector_api.core.scores import STRETCHES, Seen, Verdict

NOTE = (
    "Replay judges predictions, not selection: the tasks are those that were picked at the time. Other settings "
    "would have picked others, and the model would have learned otherwise."
)
MOST_DOMAINS = 20


@dataclass(frozen=True)
class Judged:
    """A log, or all of several, and the verdict on each posterior by its label."""

    name: str
    seen: Seen
    forecasts: Mapping[str, Forecast]
    posteriors: Mapping[str, Mapping[str, Any]]
    """The configuration of each, where the log is one."""
    verdicts: Mapping[str, Verdict]
    commits: int
    evaluated: int
    dropped: int

    @classmethod
    def of(
        cls, name: str, replay: Replay, domains: Sequence[str], posteriors: Mapping[str, Mapping[str, Any]]
    ) -> Judged:
        """The verdict on the posteriors of a replay."""
        seen = Seen.of(replay, domains)
        forecasts = dict(zip(posteriors, replay.forecasts, strict=True))
        verdicts = {label: Verdict.of(forecast, seen) for label, forecast in forecasts.items()}
        return cls(
            name, seen, forecasts, posteriors, verdicts, replay.commits, replay.evaluated, replay.dropped
        )

    @classmethod
    def all_of(cls, parts: Sequence[Judged]) -> Judged:
        """The verdict on the posteriors that all of several logs were replayed under."""
        seen = Seen.joined([part.seen for part in parts])
        labels = [label for label in parts[0].forecasts if all(label in part.forecasts for part in parts)]
        forecasts = {label: Forecast.joined([part.forecasts[label] for part in parts]) for label in labels}
        return cls(
            f"all {len(parts)} logs",
            seen,
            forecasts,
            {},
            {label: Verdict.of(forecast, seen) for label, forecast in forecasts.items()},
            sum(part.commits for part in parts),
            sum(part.evaluated for part in parts),
            sum(part.dropped for part in parts),
        )

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON values."""
        return {
            "log": self.name,
            "commits": self.commits,
            "groups": len(self.seen.rates),
            "evaluated": self.evaluated,
            "dropped": self.dropped,
            "posteriors": [
                {
                    "label": label,
                    "posterior": self.posteriors.get(label),
                    **asdict(verdict.all),
                    "calibration": [asdict(each) for each in verdict.bins],
                    "by_step": [
                        {"from": number / STRETCHES, "to": (number + 1) / STRETCHES, **asdict(scores)}
                        for number, scores in enumerate(verdict.by_stretch)
                    ],
                    "by_domain": {name: asdict(scores) for name, scores in verdict.by_domain.items()},
                }
                for label, verdict in self.verdicts.items()
            ],
        }

    def view(self) -> RenderableType:
        """The figures as tables."""
        return Group(*self._tables())

    def _tables(self) -> Iterator[RenderableType]:
        more = [
            f"{count:,} {what}"
            for count, what in ((self.evaluated, "of evaluations"), (self.dropped, "dropped"))
            if count
        ]
        besides = f"; not judged: {', '.join(more)}" if more else ""
        title = f"{self.name}: {len(self.seen.rates):,} groups in {self.commits:,} commits{besides}"
        table = _empty(title)
        for column in ("log-loss", "Brier", "calibration error", "MAE"):
            table.add_column(column, justify="right")
        for label, verdict in self.verdicts.items():
            scores = verdict.all
            figures = (scores.log_loss, scores.brier, scores.calibration_error, scores.mae)
            table.add_row(Text(label), *map(_number, figures))
        yield table
        yield self._table("log-loss by steps", self._steps())
        yield self._table("seen pass rate (groups), by the expected one", self._bins())
        if len(self.seen.domains) > 1:
            yield self._table("log-loss by domain", self._domains())

    def _steps(self) -> dict[str, list[str]]:
        """Of each tenth of the steps, the log-loss of each posterior."""
        return {
            f"{number * 100 // STRETCHES} – {(number + 1) * 100 // STRETCHES} %": [
                _number(verdict.by_stretch[number].log_loss) for verdict in self.verdicts.values()
            ]
            for number in range(STRETCHES)
        }

    def _bins(self) -> dict[str, list[str]]:
        """Of each tenth, what was seen under each posterior."""
        rows = {
            f"{number / BINS:.1f} – {(number + 1) / BINS:.1f}": ["–"] * len(self.verdicts)
            for number in range(BINS)
        }
        names = list(rows)
        for column, verdict in enumerate(self.verdicts.values()):
            for each in verdict.bins:
                name = names[min(int(each.predicted * BINS), BINS - 1)]
                rows[name][column] = f"{each.seen:.3f} ({each.groups:,})"
        return rows

    def _domains(self) -> dict[str, list[str]]:
        by_size = sorted(
            next(iter(self.verdicts.values())).by_domain.items(), key=lambda each: -each[1].groups
        )
        rows = {
            f"{name} ({scores.groups:,})": [
                _number(verdict.by_domain[name].log_loss) for verdict in self.verdicts.values()
            ]
            for name, scores in by_size[:MOST_DOMAINS]
        }
        if len(by_size) > MOST_DOMAINS:
            rows[f"{len(by_size) - MOST_DOMAINS:,} more: --json"] = [""] * len(self.verdicts)
        return rows

    def _table(self, title: str, rows: Mapping[str, Sequence[str]]) -> Table:
        """A column a posterior."""
        table = _empty(title)
        for label in self.verdicts:
            table.add_column(Text(label), justify="right")
        for name, values in rows.items():
            table.add_row(Text(name), *values)
        return table


def _empty(title: str) -> Table:
    return Table("", title=Text(title), title_justify="left", box=box.SIMPLE)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
