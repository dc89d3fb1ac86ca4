"""WASM modules that the tests load and upload."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples" / "wasm"
HOSTILE_TOOLS = ("spin", "grow", "trap", "recurse", "outside", "long", "bytes", "remember")


def arithmetic() -> bytes:
    """The sample in the text format."""
    return (SAMPLES / "wat" / "arithmetic.wat").read_bytes()


def hostile() -> bytes:
    """A core module whose tools misbehave."""
    return with_tools(
        [{"name": name, "description": name, "inputSchema": {"type": "object"}} for name in HOSTILE_TOOLS]
    )


def with_tools(tools: object) -> bytes:
    """The hostile module, with a listing of one's own."""
    listing = json.dumps({"tools": tools}, separators=(",", ":"))
    text = (Path(__file__).parent / "wasm" / "hostile.wat").read_text("utf-8")
    escaped = listing.replace("\\", "\\\\").replace('"', '\\"')
    return text.replace("LISTING", escaped).replace("LENGTH", str(len(listing.encode()))).encode()
