"""`files.*`: a folder for each conversation, kept as rows, within quotas."""

import unicodedata
from typing import Any, Final

from kgents_shared.contracts.tools import InvokeToolRequest, SideEffect
from tool_registry_service.builtin_tools.builtin import BuiltinDefinition
from tool_registry_service.builtin_tools.scratch_rows import Folder, OverQuota, ScratchRepository
from tool_registry_service.calls import ToolAnswer

_MAX_PATH = 200
_MAX_PARTS = 10
_MOST_READ = 50_000
_NO_CONVERSATION = "Files belong to a conversation: this tool works within one alone."
_PATH: Final[dict[str, Any]] = {
    "type": "string",
    "minLength": 1,
    "maxLength": _MAX_PATH,
    "description": "Like notes/today.md.",
}


class _BadCall(ValueError):
    """Arguments that the schema lets pass and that can't be meant; the text is a sentence for a model."""


def _definition(
    name: str, description: str, properties: dict[str, Any], required: list[str], side_effect: SideEffect
) -> BuiltinDefinition:
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return BuiltinDefinition(f"files.{name}", description, schema, side_effect)


class FileWriter:
    """Writes a file."""

    definition = _definition(
        "write",
        "Write a text to a file of this conversation's folder, over what was there; or add it at the end.",
        {"path": _PATH, "content": {"type": "string"}, "append": {"type": "boolean", "default": False}},
        ["path", "content"],
        "write",
    )

    def __init__(self, rows: ScratchRepository) -> None:
        self._rows = rows

    async def call(self, call: InvokeToolRequest) -> ToolAnswer:
        """Write it, where the quotas leave room."""
        try:
            folder, path = _folder(call), _path(call.arguments["path"])
            content = str(call.arguments["content"])
            if "\x00" in content or not _is_text(content):
                raise _BadCall("The content has characters in it that no text has.")
            size = await self._rows.write(folder, path, content, append=bool(call.arguments.get("append", False)))
        except (_BadCall, OverQuota) as error:
            return ToolAnswer(str(error), is_error=True)
        return ToolAnswer(f"{path} has {size} bytes now.")


class FileReader:
    """Reads a file."""

    definition = _definition(
        "read",
        "Read a file of this conversation's folder, or a part of it.",
        {
            "path": _PATH,
            "start": {
                "type": "integer",
                "minimum": 0,
                "default": 0,
                "description": "The first character to read.",
            },
            "max_chars": {"type": "integer", "minimum": 1, "maximum": _MOST_READ, "default": _MOST_READ},
        },
        ["path"],
        "read",
    )

    def __init__(self, rows: ScratchRepository) -> None:
        self._rows = rows

    async def call(self, call: InvokeToolRequest) -> ToolAnswer:
        """What stands in it."""
        try:
            folder, path = _folder(call), _path(call.arguments["path"])
        except _BadCall as error:
            return ToolAnswer(str(error), is_error=True)
        content = await self._rows.read(folder, path)
        if content is None:
            return _nothing_there(path)
        # To JSON Schema 1.0 is an integer.
        start, most = int(call.arguments.get("start", 0)), int(call.arguments.get("max_chars", _MOST_READ))
        part = content[start : start + most]
        rest = len(content) - start - len(part)
        more = f"\n[{rest} characters more: read with start {start + len(part)}]" if part and rest > 0 else ""
        return ToolAnswer(f"{part}{more}" or "[nothing stands there]")


class FileLister:
    """Lists the files."""

    definition = _definition(
        "list",
        "List the files of this conversation's folder with their sizes.",
        {"prefix": {"type": "string", "maxLength": _MAX_PATH, "description": "What their paths begin with."}},
        [],
        "read",
    )

    def __init__(self, rows: ScratchRepository) -> None:
        self._rows = rows

    async def call(self, call: InvokeToolRequest) -> ToolAnswer:
        """A line for each."""
        try:
            folder, prefix = _folder(call), str(call.arguments.get("prefix", "")).removeprefix("./")
            if "\x00" in prefix or not _is_text(prefix):
                raise _BadCall("The prefix is the beginning of no path.")
            found = await self._rows.listed(folder, prefix)
        except _BadCall as error:
            return ToolAnswer(str(error), is_error=True)
        lines = [f"{path} ({size} bytes, {changed:%Y-%m-%d %H:%M} UTC)" for path, size, changed in found]
        return ToolAnswer("\n".join(lines) or "There are no files.")


class FileRemover:
    """Deletes a file."""

    definition = _definition(
        "delete", "Delete a file of this conversation's folder.", {"path": _PATH}, ["path"], "write"
    )

    def __init__(self, rows: ScratchRepository) -> None:
        self._rows = rows

    async def call(self, call: InvokeToolRequest) -> ToolAnswer:
        """Delete it."""
        try:
            folder, path = _folder(call), _path(call.arguments["path"])
        except _BadCall as error:
            return ToolAnswer(str(error), is_error=True)
        return ToolAnswer(f"{path} is deleted.") if await self._rows.remove(folder, path) else _nothing_there(path)


def _folder(call: InvokeToolRequest) -> Folder:
    if call.conversation_id is None:
        raise _BadCall(_NO_CONVERSATION)
    return Folder(call.owner_id, call.conversation_id)


def _path(given: str) -> str:
    """One way of writing each path, and none out of the folder."""
    path = unicodedata.normalize("NFC", given).removeprefix("./")
    parts = path.split("/")
    if len(parts) > _MAX_PARTS or any(part in ("", ".", "..") or part != part.strip() for part in parts):
        raise _BadCall(f"{given[:80]!r} is no path of a file: write it like notes/today.md, without . and ..")
    if not _is_text(path) or any(unicodedata.category(char).startswith("C") or char == "\\" for char in path):
        raise _BadCall("The path has characters in it that can't stand in one.")
    return path


def _is_text(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _nothing_there(path: str) -> ToolAnswer:
    return ToolAnswer(f"There is no file {path}; files.list shows those that there are.", is_error=True)
