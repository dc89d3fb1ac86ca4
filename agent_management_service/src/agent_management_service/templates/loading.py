"""A folder to a template: every fault at once, each with its file.

<name>/template.toml          what it says of itself
<name>/agent.toml             the agent, named <name>; valid by itself
<name>/scenarios.toml         how the agent is tested (`kgents test-agent`)
<name>/agent-<part>.toml      further agents, named <name>-<part>, each with its scenarios-<part>.toml
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from agent_management_service.templates.errors import BrokenTemplate
from agent_management_service.templates.metadata import TemplateMetadata
from kgents_shared.contracts.agent_spec import AgentName
from kgents_shared.definitions.compile import compile_body, compile_spec
from kgents_shared.definitions.documents import MAX_DOCUMENT_BYTES, parse_scenarios, parse_toml
from kgents_shared.errors import FaultItem, InvalidInput

Source = Literal["built_in", "directory"]
METADATA_FILE = "template.toml"
_AGENT_FILE = re.compile(r"agent(?:-(?P<part>[a-z0-9-]+))?\.toml")
_MEANT = re.compile(r"(?:agent|scenarios).*\.toml", re.IGNORECASE)
_NAME_LINE = re.compile(r'^name[ \t]*=[ \t]*"[^"\\\n]*"', re.MULTILINE)
_MOST_AGENTS = 20
_NAME: TypeAdapter[str] = TypeAdapter(AgentName)


@dataclass(frozen=True, slots=True)
class TemplateAgent:
    """One agent of a template: the texts of its definition and of its scenarios.

    `part` is what follows the template's name in the agent's; empty for the main one.
    """

    part: str
    definition: str
    scenarios: str

    def named(self, name: str) -> "TemplateAgent":
        """The same under another name; comments and layout stay."""
        return replace(self, definition=_NAME_LINE.sub(f'name = "{name}"', self.definition, count=1))


@dataclass(frozen=True, slots=True)
class Template:
    """A template that can be used as it is; the main agent comes first."""

    name: str
    source: Source
    metadata: TemplateMetadata
    agents: tuple[TemplateAgent, ...]

    def agents_named(self, name: str) -> dict[str, TemplateAgent]:
        """Its agents for an agent `name` and, where there are more, `name-<part>`; `InvalidInput` if one is too long.

        Each definition begins with a comment that says where it comes from.
        """
        found: dict[str, TemplateAgent] = {}
        for agent in self.agents:
            full = f"{name}-{agent.part}" if agent.part else name
            try:
                _NAME.validate_python(full)
            except ValidationError as error:
                fault = FaultItem(
                    ("query", "agent_name"), f'"{full}" is no name for an agent', "bad_name", "choose a shorter one"
                )
                raise InvalidInput("The template can't be used under this name.", errors=[fault]) from error
            renamed = agent.named(full)
            origin = f"# Made from the template {self.name} {self.metadata.version}.\n"
            found[full] = replace(renamed, definition=origin + renamed.definition)
        return found


def load_template(folder: Path, source: Source) -> Template:
    """The template in a folder; `BrokenTemplate` with all that is wrong with it."""
    name, faults = folder.name, list[FaultItem]()
    try:
        _NAME.validate_python(name)
    except ValidationError:
        faults.append(FaultItem((), f'"{name}" is no name for a template', "bad_name", "take a-z, 0-9 and hyphens"))
    metadata = _metadata(folder, faults)
    agents = _agents(folder, faults)
    if metadata is None or faults:
        raise BrokenTemplate(name, faults)
    return Template(name, source, metadata, tuple(agents))


def _metadata(folder: Path, faults: list[FaultItem]) -> TemplateMetadata | None:
    text = _text(folder / METADATA_FILE, faults)
    if text is None:
        return None
    try:
        metadata = compile_body(parse_toml(text.encode()), TemplateMetadata)
    except InvalidInput as refused:
        faults += _in_file(METADATA_FILE, refused.errors)
        return None
    running = version("agent-management-service")
    if not metadata.runs_on(running):
        what = f"needs Kgents {metadata.needs_kgents}, this is {running}"
        faults.append(FaultItem((METADATA_FILE, "needs_kgents"), what, "platform_too_old", "update the platform"))
    return metadata


def _agents(folder: Path, faults: list[FaultItem]) -> list[TemplateAgent]:
    try:
        there = sorted(entry.name for entry in folder.iterdir() if _MEANT.fullmatch(entry.name))
    except OSError as error:
        faults.append(FaultItem((), error.strerror or "can't be read", "unreadable_file"))
        return []
    files = [name for name in there if _AGENT_FILE.fullmatch(name) and name != "agent.toml"]
    files.insert(0, "agent.toml")
    known = {*files, *map(_scenarios_of, files)}
    for name in there:
        if name not in known:
            hint = "name agents agent-<part>.toml, and their tests scenarios-<part>.toml"
            faults.append(FaultItem((name,), "belongs to no agent of the template", "stray_file", hint))
    if len(files) > _MOST_AGENTS:
        faults.append(FaultItem((), f"more than {_MOST_AGENTS} agents", "too_many_agents"))
    found = [_agent(folder, file, faults) for file in files[:_MOST_AGENTS]]
    return [agent for agent in found if agent is not None]


def _scenarios_of(agent_file: str) -> str:
    return agent_file.replace("agent", "scenarios", 1)


def _agent(folder: Path, file: str, faults: list[FaultItem]) -> TemplateAgent | None:
    part = (_AGENT_FILE.fullmatch(file) or {"part": None})["part"] or ""
    definition = _text(folder / file, faults)
    scenarios_file = _scenarios_of(file)
    scenarios = _text(folder / scenarios_file, faults)
    if scenarios is not None:
        try:
            parse_scenarios(scenarios.encode())
        except InvalidInput as refused:
            faults += _in_file(scenarios_file, refused.errors)
    if definition is None or scenarios is None:
        return None
    try:
        spec = compile_spec(parse_toml(definition.encode()))
    except InvalidInput as refused:
        faults += _in_file(file, refused.errors)
        return None
    wanted = f"{folder.name}-{part}" if part else folder.name
    if spec.name != wanted:
        what = f'the agent is named "{spec.name}"'
        faults.append(FaultItem((file, "name"), what, "wrong_name", f'name it "{wanted}", as its files are'))
    agent = TemplateAgent(part, definition, scenarios)
    if not _can_be_renamed(agent):
        what = "its name can't be replaced"
        faults.append(FaultItem((file, "name"), what, "fixed_name", 'begin the file with a line name = "…"'))
    return agent


def _can_be_renamed(agent: TemplateAgent) -> bool:
    """Whether replacing the name changes the name and nothing else: a prompt may hold such a line, too."""
    before, after = tomllib.loads(agent.definition), tomllib.loads(agent.named("another-name").definition)
    return after == {**before, "name": "another-name"}


def _text(path: Path, faults: list[FaultItem]) -> str | None:
    if path.exists() and not _is_own_file(path):
        # Whoever reads templates would read what the link leads to.
        faults.append(FaultItem((path.name,), "is no file of the template's folder", "unreadable_file"))
        return None
    try:
        with path.open("rb") as file:
            content = file.read(MAX_DOCUMENT_BYTES + 1)
    except FileNotFoundError:
        faults.append(FaultItem((path.name,), "the file is missing", "missing_file"))
        return None
    except OSError as error:
        faults.append(FaultItem((path.name,), error.strerror or "can't be read", "unreadable_file"))
        return None
    if len(content) > MAX_DOCUMENT_BYTES:
        faults.append(FaultItem((path.name,), f"longer than {MAX_DOCUMENT_BYTES} bytes", "too_long"))
        return None
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        faults.append(FaultItem((path.name,), "not UTF-8 text", "not_utf8", "save the file as UTF-8"))
        return None


def _is_own_file(path: Path) -> bool:
    return path.is_file() and path.resolve().is_relative_to(path.parent.resolve())


def _in_file(file: str, faults: Sequence[FaultItem]) -> list[FaultItem]:
    return [replace(fault, loc=(file, *fault.loc)) for fault in faults]
