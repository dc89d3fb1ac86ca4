"""Which files are watched, and what they hold at a moment.

Contents are compared, not times or events: so it makes no difference how an editor saves, where a link leads, or
whether the system told of the change.
"""

import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kgents_cli.faults import BadInput
from kgents_cli.publishing import language_of

# More than the server takes of any definition.
_LARGEST = 4 * 1024 * 1024
_NO_AGENTS = {"pyproject.toml"}
_WHAT_TO_NAME = "name TOML files, or a folder that has some"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the files hold, and why some can't be read."""

    contents: dict[Path, bytes] = field(default_factory=dict[Path, bytes])
    troubles: dict[Path, str] = field(default_factory=dict[Path, str])


@dataclass(frozen=True, slots=True)
class Sources:
    """Files that were named, and folders of which every `*.toml` that defines an agent counts, at any time."""

    files: tuple[Path, ...]
    folders: tuple[Path, ...]

    @classmethod
    def named(cls, paths: Sequence[Path]) -> "Sources":
        """The files and folders at these paths.

        Raises:
            BadInput: there is nothing at one of them, or nothing that can be watched.
        """
        missing = [path for path in paths if not path.exists()]
        if missing:
            raise BadInput(f"{missing[0]}: there is no such file or folder", hint=_WHAT_TO_NAME)
        other = [path for path in paths if not path.is_dir() and not path.is_file()]
        if other:
            raise BadInput(f"{other[0]} is neither a file nor a folder", hint=_WHAT_TO_NAME)
        folders = tuple(dict.fromkeys(path for path in paths if path.is_dir()))
        return cls(tuple(dict.fromkeys(path for path in paths if not path.is_dir())), folders)

    def watched_folders(self) -> list[Path]:
        """The folders in which a change means something: an editor may put another file in a file's place."""
        found = [*self.folders, *(file.parent for file in self.files)]
        linked = [file.resolve().parent for file in self.files]
        return sorted({folder.resolve() for folder in (*found, *linked)})

    def read(self) -> Snapshot:
        """What the files hold now. A file that isn't there is in neither part."""
        now = Snapshot()
        for path in dict.fromkeys((*self.files, *self._in_folders())):
            try:
                if not path.is_file():
                    continue
                with path.open("rb") as opened:
                    content = opened.read(_LARGEST + 1)
            except FileNotFoundError:
                continue
            except OSError as fault:
                now.troubles[path] = f"can't be read ({fault.strerror or fault})"
                continue
            if not content:
                now.troubles[path] = "is empty"
            elif len(content) > _LARGEST:
                now.troubles[path] = f"is longer than {_LARGEST // 1024 // 1024} MiB"
            elif path in self.files and _holds_scenarios(content):
                now.troubles[path] = f"holds scenarios, no agent; run them with: kgents test-agent {path}"
            elif path in self.files or _may_define_an_agent(content):
                now.contents[path] = content
        return now

    def _in_folders(self) -> Iterator[Path]:
        for folder in self.folders:
            for path in sorted(folder.glob("*.toml")):
                if not path.name.startswith(".") and path.name not in _NO_AGENTS:
                    yield path


def declared_name(content: bytes) -> str | None:
    """The agent's name as a definition in TOML or JSON has it, or as a flow's title makes it; None for no name."""
    try:
        if language_of(content) == "toml":
            name = tomllib.loads(content.decode("utf-8-sig")).get("name")
        else:
            name = _name_in_json(content)
    except (ValueError, RecursionError):
        return None
    return name if isinstance(name, str) and name else None


def _name_in_json(content: bytes) -> object:
    """Raises ValueError."""
    from kgents_shared.definitions.flows.compile import flow_in, name_of_flow
    from kgents_shared.errors import InvalidInput

    try:
        flow = flow_in(content)
    except InvalidInput as fault:
        raise ValueError(fault.detail) from fault
    return json.loads(content.decode("utf-8-sig")).get("name") if flow is None else name_of_flow(str(flow.title))


def _may_define_an_agent(content: bytes) -> bool:
    """Whether a file of a folder is meant: whatever has an agent's fields, and what can't be read yet."""
    found = _fields_in(content)
    return found is None or "system_prompt" in found or "name" in found


def _holds_scenarios(content: bytes) -> bool:
    found = _fields_in(content) if b"case" in content else None
    return found is not None and "case" in found and "system_prompt" not in found


def _fields_in(content: bytes) -> set[str] | None:
    """The names at the top of a TOML text; None where it is none."""
    try:
        return set(tomllib.loads(content.decode("utf-8-sig")))
    except (ValueError, RecursionError):
        return None
