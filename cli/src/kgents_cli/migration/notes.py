"""What a conversion says about itself: what changed, what is lost and why, what is left to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from kgents_cli.migration.codes import Code

Place = tuple[str | int, ...]


class Kind(StrEnum):
    """How much a note matters."""

    CHANGED = "changed"
    """Carried over in another form."""
    LOST = "lost"
    """Not carried over."""
    TODO = "todo"
    """Carried over, but something outside of the definition is still to be done."""


@dataclass(frozen=True, slots=True)
class Note:
    """One remark. `place` is where it stands in the foreign document, `code` one of `Code` or the validator's."""

    kind: Kind
    code: str
    place: Place
    msg: str
    hint: str | None = None

    def as_json(self) -> dict[str, Any]:
        """`{kind, code, place, msg, hint}`."""
        return {
            "kind": self.kind.value,
            "code": self.code,
            "place": list(self.place),
            "msg": self.msg,
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a definition came from: the file as it was named, the format, and the place in the file's data."""

    file: str
    format: str
    place: Place = ()

    def as_json(self) -> dict[str, Any]:
        """`{file, format, place}`."""
        return {"file": self.file, "format": self.format, "place": list(self.place)}


@dataclass(frozen=True, slots=True)
class Draft:
    """An agent as a converter made it: the fields of our TOML, unchecked. `name` is still the foreign one."""

    name: str
    fields: Mapping[str, Any]
    origin: Origin
    notes: Sequence[Note] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A definition that can't become an agent, with every reason."""

    origin: Origin
    reasons: Sequence[Note]
    name: str | None = None

    @classmethod
    def because(
        cls, origin: Origin, name: str | None, code: Code, msg: str, hint: str, *, place: Place | None = None
    ) -> Self:
        """A refusal for one reason, at the definition's own place unless another is given."""
        return cls(origin, [Note(Kind.LOST, code, origin.place if place is None else place, msg, hint)], name)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that is no agent (tasks, workspaces) and why it stays behind."""

    origin: Origin
    what: str
    reason: str


@dataclass(slots=True)
class Outcome:
    """What the converters found in a batch."""

    drafts: list[Draft] = field(default_factory=list[Draft])
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    skipped: list[Skipped] = field(default_factory=list[Skipped])

    def add(self, other: "Outcome") -> None:
        """Take over everything that another outcome holds."""
        self.drafts += other.drafts
        self.refusals += other.refusals
        self.skipped += other.skipped
