"""A foreign mapping that remembers which of its fields a converter has looked at.

What nobody looked at is told as lost at the end, so that no field can be left out in silence.
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from kgents_cli.migration.codes import Code
from kgents_cli.migration.notes import Kind, Note, Place
from kgents_shared.contracts.refs import secrets_in

_NOTHING: tuple[object, ...] = (None, "", False)


def says_nothing(value: object) -> bool:
    """Whether a value only says that there is none: null, false, empty text, list or table."""
    return value in _NOTHING if isinstance(value, str | bool | None) else value in ([], {})


class Fields:
    """The fields of one mapping at `place`, and the notes on them."""

    def __init__(self, value: Mapping[str, Any], place: Place = (), notes: list[Note] | None = None) -> None:
        self._left = dict(value)
        self.place = place
        self.notes: list[Note] = [] if notes is None else notes

    def take(self, *names: str) -> Any:
        """The value of the first of these names that says something, or None; all of them count as looked at.

        Two that say different things are told: only the first is used.
        """
        found: tuple[str, Any] | None = None
        for name in names:
            if name not in self._left:
                continue
            value = self._left.pop(name)
            if says_nothing(value):
                continue
            if found is None:
                found = (name, value)
            elif found[1] != value:
                self.lose(name, "doubled_field", f"says something else than {found[0]}, which is used")
        return None if found is None else found[1]

    def text(self, *names: str) -> str | None:
        """The same as text; numbers and truths are written out, anything else is lost."""
        value = self.take(*names)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int | float):
            return str(value)
        self.lose(names[0], "not_text", "should be text, and is not")
        return None

    def inside(self, name: str) -> "Fields | None":
        """The mapping in a field, sharing these notes, or None where there is none; another type is lost."""
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, dict):
            return Fields(cast("dict[str, Any]", value), (*self.place, name), self.notes)
        self.lose(name, "not_a_table", "should be a table of fields, and is not")
        return None

    def ignore(self, *names: str) -> None:
        """These are bookkeeping of the other system (ids, times, states): nothing of the agent is in them."""
        for name in names:
            self._left.pop(name, None)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def lose(self, name: str | int, code: Code, why: str, hint: str | None = None) -> None:
        """Note that a field is not carried over."""
        self.notes.append(Note(Kind.LOST, code, (*self.place, name), why, hint))

    def change(self, name: str | int, code: Code, how: str, hint: str | None = None) -> None:
        """Note that a field is carried over in another form."""
        self.notes.append(Note(Kind.CHANGED, code, (*self.place, name), how, hint))

    def todo(self, name: str | int, code: Code, what: str, hint: str | None = None) -> None:
        """Note that something is still to be done by a person."""
        self.notes.append(Note(Kind.TODO, code, (*self.place, name), what, hint))

    def lose_known(self, reasons: Mapping[str, str]) -> None:
        """Note each of these fields that says something as lost for its reason."""
        for name, why in reasons.items():
            if self.take(name) is not None:
                self.lose(name, "not_supported", why)

    def lose_rest(self) -> None:
        """Note every field that nobody looked at as lost."""
        for name, value in self._left.items():
            shown = hidden_if_secret(name)
            if any(secrets_in({name: value})):
                self.lose(
                    shown, "secret_left_out", "holds what looks like a secret, which a definition never carries",
                    "keep it with: kgents credentials create NAME; replace it where it came from",
                )  # fmt: skip
            elif not says_nothing(value):
                self.lose(shown, "unknown_field", "has nothing here that it could become")
        self._left.clear()


def hidden_if_secret(name: str) -> str:
    """A field's name, or what stands for it where the name itself looks like a secret."""
    return "(hidden)" if any(found.in_name for found in secrets_in({name: None})) else name


def mappings(values: Iterable[object]) -> bool:
    """Whether there are values and all of them are mappings with text as keys."""
    found = list(values)
    return bool(found) and all(
        isinstance(value, dict) and all(isinstance(key, str) for key in cast("dict[Any, Any]", value))
        for value in found
    )
