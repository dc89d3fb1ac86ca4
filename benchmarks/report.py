"""Tables of figures with ratios and goals, as text for a terminal and as Markdown."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on a figure, or on its ratio to that of candidate `over`."""

    bound: float
    kind: Literal["at most", "at least"]
    over: str | None = None

    def met_by(self, figure: float, reference: float | None) -> bool:
        """Whether `figure` keeps the bound; `reference` is the figure of `over`."""
        value = figure / reference if reference else figure
        return value <= self.bound if self.kind == "at most" else value >= self.bound

    def __str__(self) -> str:
        sign = "≤" if self.kind == "at most" else "≥"
        return f"{sign} {self.bound:g}" + (f" x {self.over}" if self.over else "")


@dataclass(frozen=True, slots=True)
class Row:
    """One measured thing over the candidates; a candidate that has no such figure is absent."""

    what: str
    unit: str
    figures: dict[str, float]
    milestone: Goal | None = None
    final: Goal | None = None


def table(rows: Sequence[Row], candidates: Sequence[str], ours: str) -> list[list[str]]:
    """Header and lines: figures, ratios of ours to the others, each goal with whether it is met.

    A row without any figure (not measured, or not asked for) is left out.
    """
    others = [name for name in candidates if name != ours and ours in candidates]
    ratios = [f"{ours}/{name}" for name in others]
    header = ["", *candidates, *ratios, "milestone", "final goal"]
    lines = [
        [
            f"{row.what} ({row.unit})" if row.unit else row.what,
            *(number(row.figures.get(name)) for name in candidates),
            *(ratio(row.figures.get(ours), row.figures.get(name)) for name in others),
            verdict(row, row.milestone, ours),
            verdict(row, row.final, ours),
        ]
        for row in rows
        if row.figures
    ]
    return [header, *lines]


def verdict(row: Row, goal: Goal | None, ours: str) -> str:
    """The goal and whether our figure meets it; "" without a goal or a figure."""
    if goal is None:
        return ""
    figure = row.figures.get(ours)
    reference = row.figures.get(goal.over) if goal.over else None
    if figure is None or (goal.over and reference is None):
        return str(goal)
    return f"{goal} {'yes' if goal.met_by(figure, reference) else 'NO'}"


def number(value: float | None) -> str:
    """Three significant digits; "" for none."""
    if value is None or math.isnan(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def ratio(ours: float | None, other: float | None) -> str:
    """`ours / other` as `1.23 x`."""
    if ours is None or not other:
        return ""
    return f"{ours / other:.2f} x"


def as_text(lines: Sequence[Sequence[str]]) -> str:
    """Columns aligned for a terminal: the first to the left, the others to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def as_markdown(lines: Sequence[Sequence[str]]) -> str:
    """The same as a Markdown table, for docs/benchmarks.md."""
    header, *rest = lines
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *rest])


def median(values: Sequence[float]) -> float:
    """The median; NaN of none."""
    return statistics.median(values) if values else math.nan


def rows_of_medians(
    measured: Mapping[str, Mapping[str, Sequence[float]]], unit: str, at_most: Mapping[str, float]
) -> list[Row]:
    """What was measured of each candidate in several rounds, as medians; `at_most` are the final goals of some."""
    return [
        Row(
            what,
            unit,
            {candidate: median(figures) for candidate, figures in candidates.items()},
            final=Goal(at_most[what], "at most") if what in at_most else None,
        )
        for what, candidates in measured.items()
    ]
