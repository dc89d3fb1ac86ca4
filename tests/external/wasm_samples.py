"""The samples that compilers make: built once a checkout by pinned versions, below `.kgents/tools/wasm-samples/`.

`python -m tests.external.wasm_samples` builds and compiles them, as `./kgents test` does while lint runs.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.external.environments import LOCKS, TOOLS, environment, made_once
from tests.external.nodejs import node, node_modules
from tests.external.running_registry import SECRET
from tests.external.wasm_modules import SAMPLES
from tool_registry_service.wasm_tools.code_cache import CodeCache
from tool_registry_service.wasm_tools.engine import CONFIGURATION

_HOME = TOOLS / "wasm-samples"
COMPILED = _HOME / "compiled"
"""Where registries of the tests keep the samples' compiled code, so that it is made once a checkout."""


@cache
def python_sample() -> bytes:
    """The component that componentize-py makes of `samples/wasm/python`."""
    program = environment("wasm-samples") / "bin" / "componentize-py"
    made = _HOME / "python" / "statistics.wasm"
    words = ["-d", SAMPLES / "wit", "-w", "tools", "componentize", "--stub-wasi", "app", "-o", made]
    made_once(made.parent, _of("python", LOCKS / "wasm-samples.txt"), lambda: _run([program, *words], "python"))
    return made.read_bytes()


@cache
def javascript_sample() -> bytes:
    """The component that componentize-js makes of `samples/wasm/javascript`."""
    pinned = SAMPLES / "javascript"
    modules = node_modules(pinned, "wasm-samples-npm", of_every_platform=False)
    made = _HOME / "javascript" / "text.wasm"

    def build() -> None:
        # Where the packages are looked for: beside the script that imports them.
        for file in ("build.mjs", "tools.js"):
            (modules.parent / file).write_bytes((pinned / file).read_bytes())
        wit = modules.parent.parent / "wit"
        wit.mkdir(exist_ok=True)
        (wit / "tools.wit").write_bytes((SAMPLES / "wit" / "tools.wit").read_bytes())
        _run([node(), modules.parent / "build.mjs", made], "javascript")

    made_once(made.parent, _of("javascript", pinned / "package-lock.json"), build)
    return made.read_bytes()


def _of(sample: str, lock: Path) -> str:
    """What the sample and its compiler are now."""
    files = [lock, SAMPLES / "wit" / "tools.wit", *sorted((SAMPLES / sample).glob("*.*"))]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def _run(words: list[str | Path], sample: str) -> None:
    answer = subprocess.run(
        list(map(str, words)), cwd=SAMPLES / sample, env={"PATH": os.environ.get("PATH", os.defpath)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if answer.returncode != 0:
        raise RuntimeError(f"the {sample} sample can't be built: {answer.stderr[-2000:]}")


def compile_all() -> None:
    """Compile both to what this machine runs, as a registry would (`tests/external/running_registry.py`).

    It takes seconds of every core: whoever comes while another process is at it waits for that.
    """
    samples = {hashlib.sha256(sample).hexdigest(): sample for sample in (python_sample(), javascript_sample())}
    made_once(COMPILED, "\n".join((CONFIGURATION, *samples)), lambda: asyncio.run(_compile(samples)))


async def _compile(samples: Mapping[str, bytes]) -> None:
    cache = CodeCache(COMPILED, SECRET.encode(), max_bytes=2**32, compile_timeout_s=600)
    for name, sample in samples.items():
        await cache.compiled(name, sample)


if __name__ == "__main__":
    compile_all()
