"""What `kgents migrate` does: find the files, write what was converted, deploy it where asked, tell all of it."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from kgents_cli.faults import BadInput, CliError, NotRunning, as_called
from kgents_cli.migration.documents import SUFFIXES
from kgents_cli.migration.notes import Kind, Note, Origin, Skipped
from kgents_cli.migration.plan import Converted, Plan, plan
from kgents_cli.terminal import harmless, style

_WORDS = {Kind.CHANGED: ("changed", "cyan"), Kind.LOST: ("lost", "yellow"), Kind.TODO: ("to do", "yellow")}


@dataclass(frozen=True, slots=True)
class Deployment:
    """How agents are deployed: whose they are, and how long each may take to answer."""

    organisation: str | None
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Deployed:
    """What became of one agent: the version that runs, or why none does."""

    name: str
    version: int | None = None
    fault: str | None = None
    details: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """`{name, version, fault, details}`."""
        return {"name": self.name, "version": self.version, "fault": self.fault, "details": list(self.details)}


def migrate(paths: Sequence[Path], out: Path, *, overwrite: bool, deployment: Deployment | None, as_json: bool) -> None:
    """The whole of `kgents migrate`.

    Raises:
        BadInput: nothing is there to read, DIR holds other files of those names, or a definition was refused.
        CliError: an agent was not deployed.
    """
    named, found = _files(paths)
    made = plan(named, found)
    _write(made.converted, out, overwrite=overwrite)
    deployed = None if deployment is None else _deploy(made.converted, out, deployment)
    if as_json:
        report = made.as_json() | ({} if deployed is None else {"deployed": [one.as_json() for one in deployed]})
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        _show(made, out, deployed or ())
    if made.refused:
        count = f"{len(made.refused)} definition{'' if len(made.refused) == 1 else 's'}"
        hint = "`refused` says why" if as_json else "the reasons stand above"
        raise BadInput(f"{count} could not be migrated", hint=hint)
    if deployed is not None and any(one.fault for one in deployed):
        failed = [one.name for one in deployed if one.fault]
        hint = f"mend what is wrong, then: kgents create --config {out}/FILE"
        raise CliError(f"not deployed: {', '.join(failed)}", hint=hint)


def _files(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The files that were named, and those in folders that were; each once, folders in the order of names."""
    named: list[Path] = []
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(entry for entry in path.rglob("*") if _may_be_definition(entry, path))
            if not inside:
                raise BadInput(f"{path}: no file of {', '.join(sorted(SUFFIXES))} is in it", hint="name another folder")
            found += [entry for entry in inside if entry not in found and entry not in named]
        elif path.is_file():
            named += [] if path in named else [path]
        else:
            trouble = "this is no regular file" if path.exists() else "there is no such file or folder"
            raise BadInput(f"{path}: {trouble}", hint="name YAML or JSON files, or a folder")
    return named, [entry for entry in found if entry not in named]


def _may_be_definition(entry: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in entry.relative_to(folder).parts)
    return entry.suffix.lower() in SUFFIXES and not hidden and entry.is_file()


def _write(converted: Sequence[Converted], out: Path, *, overwrite: bool) -> None:
    """All files or none: what lies there and says something else is only replaced where that was asked for."""
    texts = {out / one.file_name: one.toml.encode() for one in converted}
    in_the_way = [file for file, text in texts.items() if _is_in_the_way(file, text)]
    if in_the_way and not overwrite:
        raise BadInput(
            f"{out} holds other files of those names; nothing was written",
            lines=[file.name for file in in_the_way],
            hint="name another folder, or replace them with --overwrite",
        )
    if texts:
        out.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        if file.is_symlink():
            file.unlink()  # what it leads to is no file of DIR
        file.write_bytes(text)


def _is_in_the_way(file: Path, text: bytes) -> bool:
    return file.is_symlink() or (file.exists() and file.read_bytes() != text)


def _deploy(converted: Sequence[Converted], out: Path, deployment: Deployment) -> list[Deployed]:
    """Each agent by itself: one that fails keeps none of the others from running."""
    from kgents_cli.client import ApiClient, agent_name
    from kgents_cli.publishing import create_or_update, publish

    done: list[Deployed] = []
    if not converted:
        return done
    with ApiClient() as api:
        for one in converted:
            source = str(out / one.file_name)
            try:
                agent, _ = create_or_update(api, one.toml.encode(), source, deployment.organisation)
                instance = publish(api, agent_name(agent), deployment.timeout_s)
            except NotRunning:
                raise
            except CliError as fault:
                done.append(Deployed(one.name, fault=fault.message, details=fault.lines))
            else:
                done.append(Deployed(agent_name(agent), version=int(instance["version"])))
    return done


def _show(made: Plan, out: Path, deployed: Sequence[Deployed]) -> None:
    for one in made.converted:
        click.echo(f"{style(str(out / one.file_name), 'green', sys.stdout)}  from {_source(one.origin)}")
        for note in one.notes:
            click.echo(_line(note, one.origin))
        for warning in one.warnings:
            place = ".".join(str(part) for part in warning.loc)
            click.echo(f"  {'warning':8} {harmless(f'{place}: {warning.msg}')}{_hint(warning.hint)}")
    for refusal in made.refused:
        name = "" if refusal.name is None else f"{refusal.name}  "
        click.echo(f"{style('refused', 'red', sys.stdout)}  {harmless(name)}from {_source(refusal.origin)}")
        for reason in refusal.reasons:
            click.echo(f"  {harmless(_at(reason, refusal.origin) + reason.msg)}{_hint(reason.hint)}")
    for (source, reason), whats in _grouped(made.skipped).items():
        click.echo(f"stays behind  {harmless(', '.join(whats))}  in {source}: {harmless(as_called(reason))}")
    for one in deployed:
        _show_deployed(one)
    counts = f"{len(made.converted)} written to {out}, {len(made.refused)} refused, {len(made.skipped)} stay behind"
    click.echo(counts if not deployed else f"{counts}, {sum(not one.fault for one in deployed)} deployed")


def _grouped(skipped: Sequence[Skipped]) -> dict[tuple[str, str], list[str]]:
    """A file of tasks is one line."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in skipped:
        found.setdefault((_source(one.origin), one.reason), []).append(one.what)
    return found


def _show_deployed(one: Deployed) -> None:
    if one.fault is None:
        click.echo(as_called(f'{one.name} version {one.version} is running: kgents message {one.name} "Hello"'))
        return
    click.echo(f"{style('not deployed', 'red', sys.stdout)}  {one.name}: {harmless(one.fault)}")
    for detail in one.details:
        click.echo(f"  {harmless(detail)}")


def _source(origin: Origin) -> str:
    return harmless(f"{origin.file} ({origin.format})")


def _line(note: Note, origin: Origin) -> str:
    word, colour = _WORDS[note.kind]
    return f"  {style(f'{word:8}', colour, sys.stdout)} {harmless(_at(note, origin) + note.msg)}{_hint(note.hint)}"


def _at(note: Note, origin: Origin) -> str:
    """The place below the definition's own, or the whole of it where it stands elsewhere."""
    here, place = origin.place, note.place
    rest = place[len(here) :] if place[: len(here)] == here else place
    return f"{'.'.join(str(part) for part in rest)}: " if rest else ""


def _hint(hint: str | None) -> str:
    return f" ({harmless(as_called(hint))})" if hint else ""
