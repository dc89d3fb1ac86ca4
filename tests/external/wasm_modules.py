"""WASM modules that the tests load and upload."""

from __future__ import annotations

import json
import struct
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples" / "wasm"
OUTSIDE_TOOLS = ("random", "huge", "now", "environment", "directories", "write", "flood", "sockets", "loop", "inside")
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


def outside() -> bytes:
    """A component whose tools ask for what is outside."""
    base, records, texts = 1024, b"", b""
    first = base + 24 * len(OUTSIDE_TOOLS)
    for name in OUTSIDE_TOOLS:
        for text in (name, "asks", '{"type":"object"}'):
            records += struct.pack("<II", first + len(texts), len(text))
            texts += text.encode()
    data = "".join(f"\\{byte:02x}" for byte in records + texts)
    text = (Path(__file__).parent / "wasm" / "outside.wat").read_text("utf-8")
    return text.replace("RECORDS", data).replace("COUNT", str(len(OUTSIDE_TOOLS))).encode()
