"""Compiling a stranger's module, in a process of its own: it takes seconds and half a gigabyte, and may take for ever.

`python -m tool_registry_service.wasm_tools.compiling SOURCE TARGET` writes the compiled code to TARGET and says on
stdout, as JSON, what kind of module it was, or why it can't be compiled.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import wasmtime
from wasmtime import component as wc

from tool_registry_service.wasm_tools.engine import configuration

MAX_ADDRESS_SPACE = 4 * 1024**3
MAX_TEXT_BYTES = 1_048_576
_BINARY, _CORE, _COMPONENT = b"\0asm", b"\x01\0\0\0", b"\x0d\0\x01\0"


class _CanNotBeCompiled(Exception):
    pass


def compiled(source: bytes) -> tuple[str, bytes]:
    """`core` or `component`, and the code. `source` is binary, or the text format."""
    if not source.startswith(_BINARY):
        if len(source) > MAX_TEXT_BYTES:
            raise _CanNotBeCompiled(f"it isn't WebAssembly; as text, it may have {MAX_TEXT_BYTES} bytes")
        source = bytes(wasmtime.wat2wasm(source))
    engine = wasmtime.Engine(configuration())
    version = source[4:8]
    if version == _CORE:
        return "core", bytes(wasmtime.Module(engine, source).serialize())
    if version == _COMPONENT:
        return "component", bytes(wc.Component(engine, source).serialize())
    raise _CanNotBeCompiled("it is neither a core module of version 1 nor a component")


def main(source: Path, target: Path) -> None:
    """Compile one file within bounds."""
    seconds = int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESS_SPACE, MAX_ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        kind, code = compiled(source.read_bytes())
    except (_CanNotBeCompiled, wasmtime.WasmtimeError, ValueError) as error:
        sys.stdout.write(json.dumps({"fault": str(error).strip()[:1000] or "it can't be compiled"}))
        return
    target.write_bytes(code)
    sys.stdout.write(json.dumps({"kind": kind}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
