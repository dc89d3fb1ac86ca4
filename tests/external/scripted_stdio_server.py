"""The scripted MCP server over stdio, as a process of its own: `scripted_stdio_server.py FOLDER`.

It is written on the wire with nothing but Python's own library, so that it starts at once, and answers one message
after the other. What it does is told by files in FOLDER: `description` (of its tool `echo`), `extra_tools` (a number
of further ones), `calls` (one line appended for each call of `count` and `nap`).
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

JsonObject = dict[str, Any]
CHANGED: JsonObject = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
PAGE = 3
TOOLS = ("count", "die", "environment", "fail", "flood", "locked_out", "nap", "picture", "renotify", "say", "spawn")
ANY_SCHEMA: JsonObject = {"type": "object"}
TEXT_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"text": {"type": "string", "maxLength": 100}},
    "required": ["text"],
    "additionalProperties": False,
}


class ScriptedTools:
    """The tools of a server whose files lie in `folder`; it says by `tell_of_change` that their list is another one."""

    def __init__(self, folder: Path, tell_of_change: Callable[[], Awaitable[None]]) -> None:
        self._folder = folder
        self._tell_of_change = tell_of_change

    def told(self, name: str, default: str) -> str:
        """The content of a file in the folder."""
        file = self._folder / name
        return file.read_text("utf-8").strip() if file.exists() else default

    def page(self, params: JsonObject) -> JsonObject:
        """What `tools/list` gives: one page of what it offers now."""
        names = [*TOOLS, *(f"extra-{number}" for number in range(int(self.told("extra_tools", "0"))))]
        echo = {
            "name": "echo", "description": self.told("description", "gives the text back"), "inputSchema": TEXT_SCHEMA,
        }  # fmt: skip
        rows = [echo, *({"name": name, "description": f"does {name}", "inputSchema": ANY_SCHEMA} for name in names)]
        start = int(params.get("cursor") or 0)
        more = {"nextCursor": str(start + PAGE)} if start + PAGE < len(rows) else {}
        return {"tools": rows[start : start + PAGE], **more}

    async def call(self, params: JsonObject) -> JsonObject:
        """What `tools/call` gives."""
        name, arguments = params["name"], params.get("arguments") or {}
        if name == "picture":
            return {"content": [{"type": "image", "data": "aGVsbG8=", "mimeType": "image/png"}]}
        if name == "fail":
            return _text("fail went wrong, as it was asked to") | {"isError": True}
        key = (params.get("_meta") or {}).get("kgents/idempotency-key", "")
        return _text(await self._answer(name, arguments, key))

    async def _answer(self, name: str, arguments: JsonObject, key: str) -> str:  # noqa: PLR0911 -- one return a tool
        """The text that a tool gives; each is one line or two."""
        match name:
            case "count":
                return self._count(arguments, key)
            case "die":
                os._exit(3)
            case "environment":
                return json.dumps(dict(os.environ))
            case "flood":
                return "x" * int(arguments["bytes"])
            case "locked_out":
                return _locked_out(arguments)
            case "nap":
                self._count(arguments, key)
                await asyncio.sleep(float(arguments["seconds"]))
                return "woke up"
            case "renotify":
                await self._tell_of_change()
                return "told"
            case "say":
                sys.stderr.write(f"{arguments['text']}\n")
                return "said"
            case "spawn":
                child = subprocess.Popen(["/bin/sleep", str(arguments["seconds"])])  # noqa: ASYNC220 -- it must outlive this call
                return str(child.pid)
            case _:
                return str(arguments["text"])

    def _count(self, arguments: JsonObject, key: str) -> str:
        """Append a line with the call's idempotency key, and say how many there are."""
        with (self._folder / "calls").open("a", encoding="utf-8") as file:
            file.write(f"{key} {json.dumps(arguments)}\n")
        return str(len((self._folder / "calls").read_text("utf-8").splitlines()))


def _text(text: str) -> JsonObject:
    return {"content": [{"type": "text", "text": text}]}


def _locked_out(arguments: JsonObject) -> str:
    """What of the machine can be reached: a port on the loopback, a file."""
    found: dict[str, str] = {}
    try:
        socket.create_connection(("127.0.0.1", int(arguments["port"])), timeout=2).close()
        found["network"] = "reached"
    except OSError as error:
        found["network"] = type(error).__name__
    try:
        found["file"] = Path(arguments["file"]).read_text("utf-8")
    except OSError as error:
        found["file"] = type(error).__name__
    return json.dumps(found)


async def answered(tools: ScriptedTools, method: str, params: JsonObject) -> JsonObject:
    """The result of a request."""
    match method:
        case "initialize":
            return {
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": {"name": "scripted", "version": "1"},
            }
        case "tools/list":
            return tools.page(params)
        case "tools/call":
            return await tools.call(params)
        case _:
            return {}


async def say(message: JsonObject) -> None:
    """One line."""
    sys.stdout.write(f"{json.dumps(message)}\n")
    sys.stdout.flush()


async def serve(folder: Path) -> None:
    """Speak over the standard streams until they end; notifications need no answer."""
    tools = ScriptedTools(folder, lambda: say(CHANGED))
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "id" in message:
            result = await answered(tools, message["method"], message.get("params") or {})
            await say({"jsonrpc": "2.0", "id": message["id"], "result": result})


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
