"""How cases ended, as the report, the JSON and the JUnit file tell of them."""

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that doesn't hold: in which turn (from 1), which, and what was seen instead."""

    turn: int
    expectation: str
    message: str

    def __str__(self) -> str:
        return f"turn {self.turn}: {self.expectation}: {self.message}"


@dataclass(slots=True)
class CaseOutcome:
    """One case. `transcript` is what was said and called, a line each; `cost` is None where no prices are known."""

    name: str
    status: Literal["passed", "failed", "skipped"] = "passed"
    seconds: float = 0.0
    steps: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: Decimal | None = None
    failures: list[Failure] = field(default_factory=list[Failure])
    transcript: list[str] = field(default_factory=list[str])

    def as_json(self) -> dict[str, Any]:
        """The case in `--json`."""
        return {
            "name": self.name,
            "status": self.status,
            "ms": round(self.seconds * 1000, 1),
            "steps": self.steps,
            "usage": {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens},
            "cost": None if self.cost is None else {"amount": format(self.cost.normalize(), "f"), "currency": "USD"},
            "failures": [
                {"turn": one.turn, "expectation": one.expectation, "message": one.message} for one in self.failures
            ],
            "transcript": self.transcript,
        }


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """The cases of one scenario file, with the agent that they were run on."""

    file: Path
    agent: str
    cases: tuple[CaseOutcome, ...]

    def count(self, status: str) -> int:
        """How many cases ended so."""
        return sum(case.status == status for case in self.cases)

    def as_json(self) -> dict[str, Any]:
        """The file in `--json`."""
        return {"file": str(self.file), "agent": self.agent, "cases": [case.as_json() for case in self.cases]}


def totals(outcomes: list[FileOutcome]) -> dict[str, int]:
    """Cases by status, over all files."""
    return {status: sum(one.count(status) for one in outcomes) for status in ("passed", "failed", "skipped")}
