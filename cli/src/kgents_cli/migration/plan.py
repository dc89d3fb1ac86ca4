"""From a batch of foreign files to checked TOML, and the report of it. Nothing is written here."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kgents_cli.migration.documents import ForeignFile, Unreadable, read_file
from kgents_cli.migration.naming import as_label, free_label
from kgents_cli.migration.notes import Draft, Kind, Note, Origin, Outcome, Refusal, Skipped
from kgents_cli.migration.recognise import UNKNOWN, convert_files
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.definitions.examine import examine
from kgents_shared.definitions.writing import to_toml
from kgents_shared.errors import FaultItem


@dataclass(frozen=True, slots=True)
class Converted:
    """An agent that the validator takes, as TOML, with everything that is to be said about it."""

    name: str
    toml: str
    origin: Origin
    notes: Sequence[Note]
    warnings: Sequence[FaultItem] = ()

    @property
    def file_name(self) -> str:
        """The file that it is written to."""
        return f"{self.name}.toml"

    def as_json(self) -> dict[str, Any]:
        """`{name, file, from, notes, warnings}`."""
        return {
            "name": self.name,
            "file": self.file_name,
            "from": self.origin.as_json(),
            "notes": [note.as_json() for note in self.notes],
            "warnings": [warning.as_json() for warning in self.warnings],
        }


@dataclass(slots=True)
class Plan:
    """What a migration comes to."""

    converted: list[Converted] = field(default_factory=list[Converted])
    refused: list[Refusal] = field(default_factory=list[Refusal])
    skipped: list[Skipped] = field(default_factory=list[Skipped])

    def as_json(self) -> dict[str, Any]:
        """`{"converted": […], "refused": […], "skipped": […]}`."""
        return {
            "converted": [one.as_json() for one in self.converted],
            "refused": [_refused_json(one) for one in self.refused],
            "skipped": [{"what": one.what, "reason": one.reason, "from": one.origin.as_json()} for one in self.skipped],
        }


def _refused_json(refusal: Refusal) -> dict[str, Any]:
    return {
        "name": refusal.name,
        "from": refusal.origin.as_json(),
        "reasons": [reason.as_json() for reason in refusal.reasons],
    }


def plan(paths: Sequence[Path], found_in_folders: Sequence[Path] = ()) -> Plan:
    """Read, convert and check. What lies in a folder may be something else than an agent: that is told, not refused.

    Raises:
        OSError: a file can't be opened.
    """
    files: list[ForeignFile] = []
    unreadable: list[Refusal] = []
    for path in (*paths, *found_in_folders):
        try:
            files.append(read_file(path))
        except Unreadable as fault:
            unreadable.append(Refusal(Origin(str(path), UNKNOWN), fault.faults))
    found = check(convert_files(files))
    folders = {str(path) for path in found_in_folders}
    stays = [
        refusal for refusal in found.refused if refusal.origin.format == UNKNOWN and refusal.origin.file in folders
    ]
    found.skipped += [Skipped(refusal.origin, "the document", refusal.reasons[0].msg) for refusal in stays]
    found.refused = [*unreadable, *(refusal for refusal in found.refused if refusal not in stays)]
    return found


def check(outcome: Outcome) -> Plan:
    """Names, descriptions that fit, TOML, and the one validator's word on each draft."""
    found = Plan(refused=list(outcome.refusals), skipped=list(outcome.skipped))
    taken: set[str] = set()
    for draft in outcome.drafts:
        notes = list(draft.notes)
        name = _name(draft, taken, notes)
        report = examine(json.dumps({"name": name, **_fitting(draft, notes)}).encode(), "json")
        text = "" if report.spec is None else to_toml(report.spec)
        if text:
            # What is written is what was judged; its warnings have the places of the file.
            report = examine(text.encode(), "toml")
        if report.errors:
            reasons = [_as_reason(fault, draft.origin) for fault in report.errors]
            found.refused.append(Refusal(draft.origin, reasons, draft.name))
            continue
        taken.add(name)
        found.converted.append(Converted(name, text, draft.origin, notes, report.warnings))
    return found


def _name(draft: Draft, taken: set[str], notes: list[Note]) -> str:
    label = as_label(draft.name)
    name = free_label(label, taken)
    if name != label:
        msg = f"{draft.name!r} is {name!r} here: this call has another {label!r}"
        notes.insert(0, Note(Kind.CHANGED, "renamed", draft.origin.place, msg))
    elif name != draft.name:
        msg = f"{draft.name!r} is {name!r} here: names are a-z, 0-9 and '-'"
        notes.insert(0, Note(Kind.CHANGED, "renamed", draft.origin.place, msg))
    return name


def _fitting(draft: Draft, notes: list[Note]) -> dict[str, Any]:
    """The fields without an empty description, and a long one cut at a word."""
    fields = {key: value for key, value in draft.fields.items() if value != ""}
    description = fields.get("description")
    most = _longest_description()
    if isinstance(description, str) and len(description) > most:
        fields["description"] = f"{description[: most - 1].rsplit(maxsplit=1)[0]}…"
        msg = f"is cut to {most} characters; the rest stays behind"
        notes.append(Note(Kind.CHANGED, "description_cut", (*draft.origin.place, "description"), msg))
    return fields


def _longest_description() -> int:
    bounds: list[Any] = AgentSpec.model_fields["description"].metadata
    return int(next(bound.max_length for bound in bounds if getattr(bound, "max_length", None)))


def _as_reason(fault: FaultItem, origin: Origin) -> Note:
    place = ".".join(str(part) for part in fault.loc)
    return Note(Kind.LOST, fault.code, origin.place, f"{place}: {fault.msg}" if place else fault.msg, fault.hint)
