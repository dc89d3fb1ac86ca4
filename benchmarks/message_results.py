"""What `benchmarks.message` measured, and the rows that it prints of it, each with its goals."""

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

import psutil

from benchmarks.candidate import Sample
from benchmarks.report import Goal, Row, median

OURS = "Kgents"
CANDIDATES = ("B", "A", OURS)
ALONE = "one at a time"
TOGETHER = "16 at once"
CONVERSING = "16 at once, conversations of 10"


@dataclass(slots=True)
class Results:
    """Everything that a run measured; `--json` writes it as it is."""

    machine: dict[str, object]
    samples: list[Sample] = field(default_factory=list[Sample])
    publish_to_reply_ms: list[float] = field(default_factory=list[float])
    idle_agent_mb: list[float] = field(default_factory=list[float])
    cold_start_s: list[float] = field(default_factory=list[float])
    warm_start_s: list[float] = field(default_factory=list[float])
    server_status_ms: list[float] = field(default_factory=list[float])
    not_measured: list[str] = field(default_factory=list[str])

    @property
    def is_busy(self) -> bool:
        """Whether something else ran when it began: more than half a core's worth of the last minute."""
        return float(str(self.machine["load_average"])) > 0.5


def machine() -> dict[str, object]:
    """What the figures depend on beyond the code."""
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "langchain": version("langchain"),
        "langgraph-checkpoint-postgres": version("langgraph-checkpoint-postgres"),
    }


def rows(results: Results) -> list[Row]:
    """The table: medians over the rounds."""
    return [
        Row(
            f"{ALONE}, p50",
            "ms",
            medians(results, ALONE, lambda sample: sample.figures.p50_ms),
            Goal(1, "at most", "A"),
            Goal(0.5, "at most", "A"),
        ),
        Row(f"{ALONE}, p95", "ms", medians(results, ALONE, lambda sample: sample.figures.p95_ms)),
        Row(
            TOGETHER,
            "messages/s",
            medians(results, TOGETHER, lambda sample: sample.figures.per_second),
            Goal(1.5, "at least", "A"),
            Goal(4, "at least", "A"),
        ),
        Row(f"{TOGETHER}, p50", "ms", medians(results, TOGETHER, lambda sample: sample.figures.p50_ms)),
        Row(f"{TOGETHER}, p95", "ms", medians(results, TOGETHER, lambda sample: sample.figures.p95_ms)),
        Row(
            f"{TOGETHER}, CPU of all processes",
            "ms/message",
            medians(results, TOGETHER, lambda sample: sample.cpu_ms_per_message),
            final=Goal(2, "at most"),
        ),
        Row(CONVERSING, "messages/s", medians(results, CONVERSING, lambda sample: sample.figures.per_second)),
        Row(
            f"{CONVERSING}, CPU",
            "ms/message",
            medians(results, CONVERSING, lambda sample: sample.cpu_ms_per_message),
        ),
        *lifecycle_rows(results),
    ]


def lifecycle_rows(results: Results) -> list[Row]:
    """What only a platform does."""
    return [
        ours("publish → first reply, p50", "ms", results.publish_to_reply_ms, 500, 100),
        ours("publish → first reply, slowest", "ms", sorted(results.publish_to_reply_ms)[-1:]),
        ours("private memory of one more idle agent", "MB", results.idle_agent_mb, final=15),
        ours("first start to healthy", "s", results.cold_start_s, 15),
        ours("warm start to healthy", "s", results.warm_start_s, 2, 2),
        ours("kgents server status", "ms", results.server_status_ms, final=100),
    ]


def medians(results: Results, load: str, figure: Callable[[Sample], float]) -> dict[str, float]:
    """Each measured candidate's median of one figure under one load."""
    found = {
        name: [figure(sample) for sample in results.samples if (sample.candidate, sample.load) == (name, load)]
        for name in CANDIDATES
    }
    return {name: median(values) for name, values in found.items() if values}


def ours(
    what: str, unit: str, values: Sequence[float], milestone: float | None = None, final: float | None = None
) -> Row:
    """A row that the references have no figure for."""
    figures = {OURS: median(values)} if values else {}
    goals = [Goal(bound, "at most") if bound is not None else None for bound in (milestone, final)]
    return Row(what, unit, figures, *goals)
