"""Which format a document is of, and its conversion: by its fields, never by its file's name."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

from kgents_cli.migration import assistants, crewai, plain, wegent
from kgents_cli.migration.documents import ForeignFile
from kgents_cli.migration.fields import mappings
from kgents_cli.migration.notes import Origin, Outcome, Place, Refusal, Skipped

FORMATS = (wegent.FORMAT, crewai.FORMAT, plain.FORMAT, assistants.FORMAT)
UNKNOWN = "unknown"
_WRAPPERS = ("agents", "agent", "agent_list")
_HINT = "known are Wegent's kinds, CrewAI's agents.yaml, OpenAI's assistants and tables with a name and a system_prompt"


def convert_files(files: Sequence[ForeignFile]) -> Outcome:
    """Everything that the files define. Wegent's kinds of all files are one set; the rest goes file by file."""
    outcome, kinds = Outcome(), wegent.Batch()
    for file in files:
        several = len(file.documents) > 1
        if not file.documents:
            outcome.refusals.append(_unknown(Origin(file.name, UNKNOWN), "the file is empty"))
        for number, document in enumerate(file.documents):
            place: Place = (number,) if several else ()
            if wegent.is_resource(document):
                _gather(document, Origin(file.name, wegent.FORMAT, place), kinds)
            else:
                outcome.add(_convert(document, file, place))
    outcome.add(wegent.convert(kinds))
    return outcome


def _gather(document: Any, origin: Origin, kinds: wegent.Batch) -> None:
    for found in wegent.resources_in(document, origin):
        if isinstance(found, Refusal):
            kinds.outcome.refusals.append(found)
        else:
            kinds.add(found)


def _convert(document: Any, file: ForeignFile, place: Place) -> Outcome:
    """Any document but Wegent's."""
    found = assistants.assistants_in(document)
    if found is not None:
        outcome = Outcome()
        for inside, entry in found:
            number = "" if len(found) == 1 else f"-{len(outcome.drafts) + len(outcome.refusals) + 1}"
            origin = Origin(file.name, assistants.FORMAT, (*place, *inside))
            outcome.add(assistants.convert_assistant(entry, origin, f"{file.stem}{number}"))
        return outcome
    if crewai.is_agents(document):
        return crewai.convert_agents(document, Origin(file.name, crewai.FORMAT, place))
    if crewai.is_tasks(document):
        return crewai.convert_tasks(document, Origin(file.name, crewai.FORMAT, place))
    if _is_agent(document):
        return _single(document, file.stem, Origin(file.name, plain.FORMAT, place))
    return _wrapped(document, file, place)


def _is_agent(value: object) -> bool:
    return plain.is_agent(value) or crewai.is_agent(value)


def _single(entry: Any, name: str, origin: Origin) -> Outcome:
    """One agent under a name: with a prompt it is plain, with a role it is CrewAI's."""
    if not plain.is_agent(entry) and crewai.is_agent(entry):
        table = cast("dict[str, Any]", entry)
        called = table.get("name") or table.get("id")
        return crewai.convert_agent(
            called if isinstance(called, str) else name, table, Origin(origin.file, crewai.FORMAT, origin.place)
        )
    return plain.convert_agent(entry, origin, name)


def _wrapped(document: Any, file: ForeignFile, place: Place) -> Outcome:
    """`agent: {…}`, `agents: […]`, agents by name, or a bare list of them."""
    outcome = Outcome()
    entries = list(_entries(document, file.stem))
    for inside, name, entry in entries:
        origin = Origin(file.name, plain.FORMAT, (*place, *inside))
        if _is_agent(entry):
            outcome.add(_single(entry, name, origin))
        else:
            msg = "there is no prompt, and an agent needs one"
            outcome.refusals.append(Refusal.because(origin, name, "no_prompt", msg, _HINT))
    if not any(_is_agent(entry) for _, _, entry in entries):
        return Outcome(refusals=[_unknown(Origin(file.name, UNKNOWN, place), "it is no agent of a known format")])
    if isinstance(document, dict) and any(name in document for name in _WRAPPERS):
        outcome.add(_beside(cast("dict[str, Any]", document), Origin(file.name, plain.FORMAT, place)))
    return outcome


def _entries(document: Any, stem: str) -> Iterator[tuple[Place, str, Any]]:
    """Each entry that may be an agent: its place, what to call it, and the entry."""
    if isinstance(document, list):
        for number, entry in enumerate(cast("list[Any]", document)):
            name, below = _keyed(entry)
            yield ((number,), f"{stem}-{number + 1}", entry) if name is None else ((number, name), name, below)
        return
    if not isinstance(document, dict):
        return
    table = cast("dict[str, Any]", document)
    key = next((name for name in _WRAPPERS if name in table), _WRAPPERS[0])
    inside = table.get(key)
    if isinstance(inside, dict) and _is_agent(inside):
        yield (key,), stem, inside
    elif isinstance(inside, dict):
        for name, entry in cast("dict[str, Any]", inside).items():
            yield (key, name), name, entry
    elif isinstance(inside, list):
        for place, name, entry in _entries(cast("list[Any]", inside), stem):
            yield (key, *place), name, entry
    elif key not in table and mappings(table.values()):
        for name, entry in table.items():
            yield (name,), name, entry


def _keyed(entry: Any) -> tuple[str | None, Any]:
    """`- researcher: {…}`: an entry that is called by its only key."""
    if isinstance(entry, dict) and len(cast("dict[str, Any]", entry)) == 1:
        [(name, below)] = cast("dict[str, Any]", entry).items()
        if _is_agent(below):
            return name, below
    return None, entry


def _beside(table: dict[str, Any], origin: Origin) -> Outcome:
    """What stands beside `agents`: tasks are told one by one, anything else by its name."""
    outcome = Outcome()
    for key, value in table.items():
        here = Origin(origin.file, origin.format, (*origin.place, key))
        if key == "tasks" and crewai.is_tasks(value):
            outcome.add(crewai.convert_tasks(value, here))
        elif key not in _WRAPPERS:
            why = "it stands beside the agents, not in one; write it into the files that it is meant for"
            outcome.skipped.append(Skipped(here, key, why))
    return outcome


def _unknown(origin: Origin, msg: str) -> Refusal:
    return Refusal.because(origin, None, "unknown_format", msg, _HINT)
