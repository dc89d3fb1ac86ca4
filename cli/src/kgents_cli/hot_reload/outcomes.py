"""How a reload went, as a line for a person or as JSON for a program."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from kgents_cli.differences import names_of_changes
from kgents_cli.faults import as_called
from kgents_cli.terminal import harmless, style


class State(StrEnum):
    """What became of a file."""

    CREATED = "created"
    """Its agent was new; it answers."""
    RELOADED = "reloaded"
    """The new version answers."""
    PUBLISHED = "published"
    """The new version is there, but another one is labelled stable, and that answers."""
    UNCHANGED = "unchanged"
    """The version that answers says the same."""
    REFUSED = "refused"
    """It has faults; what ran goes on."""
    ROLLED_BACK = "rolled_back"
    """The new version did not start; the one before it runs again."""
    FAILED = "failed"
    """The new version did not start, and there is none before it."""
    WAITING = "waiting"
    """Something is in the way that passes; it is tried again."""
    SUPERSEDED = "superseded"
    """It was saved again before its version answered."""
    GONE = "gone"
    """The file was taken away; its agent goes on."""


_COLOURS = {
    State.CREATED: "green", State.RELOADED: "green", State.PUBLISHED: "yellow", State.UNCHANGED: "dim",
    State.REFUSED: "red", State.ROLLED_BACK: "yellow", State.FAILED: "red", State.WAITING: "yellow",
    State.GONE: "yellow",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one file's reload went. `version` is the one that runs after it, `seconds` what it took from the save."""

    file: Path
    state: State
    agent: str | None = None
    version: int | None = None
    seconds: float | None = None
    changes: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    message: str = ""
    faults: tuple[str, ...] = ()

    def as_json(self, now: datetime) -> str:
        """One line of JSON."""
        known = {
            "at": now.isoformat(timespec="milliseconds"),
            "file": str(self.file),
            "agent": self.agent,
            "state": self.state,
            "version": self.version,
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "changes": self.changes,
            "message": self.message,
            "faults": list(self.faults),
        }
        return json.dumps(known)

    def as_lines(self, now: datetime) -> Iterator[str]:
        """The agent's line, below it the faults."""
        words = style(as_called(harmless(self._words())), _COLOURS.get(self.state, "dim"), sys.stdout)
        yield f"{now:%H:%M:%S}  {harmless(self.agent or str(self.file))}  {words}"
        for fault in self.faults:
            yield f"          {harmless(fault)}"

    def _words(self) -> str:
        after = "" if self.seconds is None else f" after {self.seconds:.2f} s"
        goes_on = "nothing of it runs" if self.version is None else f"version {self.version} goes on"
        changed = f" ({names_of_changes(self.changes)})" if self.changes else ""
        words = {
            State.CREATED: f"is new: version {self.version} answers{after}",
            State.RELOADED: f"version {self.version} answers{after}{changed}",
            State.PUBLISHED: f"{self.message}{changed}",
            State.UNCHANGED: f"version {self.version} answers, nothing changed",
            State.REFUSED: f"not taken up, {goes_on}: {self.message}",
            State.ROLLED_BACK: f"{self.message}; version {self.version} runs again",
            State.GONE: f"{self.file} is gone; its agent goes on until you delete it",
        }
        return words.get(self.state, self.message)
