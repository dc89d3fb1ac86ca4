"""What a WASM server runs, within what and with which grants: from options to bodies, and back to lines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kgents_cli.client import ApiClient
from kgents_cli.definition_files import read_at_most
from kgents_cli.faults import BadInput
from kgents_cli.tables import day

Item = Mapping[str, Any]
LIMITS = ("fuel", "memory_mb", "timeout_ms")
_MODULES = "/mcp-servers/modules"
_MOST_MODULE_BYTES = 32 * 1024 * 1024
_FLAGS = ("clock", "random")
_ENV = "env:"
_MIB = 1_048_576


def named_limits(given: Item) -> dict[str, int]:
    """The limits that were named on the command line."""
    return {name: given[name] for name in LIMITS if given[name] is not None}


def named_grants(written: Sequence[str]) -> dict[str, Any]:
    """`clock`, `random` and `env:NAME=VALUE` as the API has them; what may be granted is its to say.

    Raises:
        BadInput: one is written otherwise, or a variable is named twice.
    """
    grants: dict[str, Any] = {}
    env: dict[str, str] = {}
    for one in written:
        name, equals, value = one.removeprefix(_ENV).partition("=")
        if one in _FLAGS:
            grants[one] = True
        elif not (one.startswith(_ENV) and name and equals):
            raise BadInput(f"nothing is granted by {one!r}", hint="write clock, random or env:NAME=VALUE")
        elif name in env:
            raise BadInput(f"the variable {name} is granted twice", hint="name it once")
        else:
            env[name] = value
    return {**grants, **({"env": env} if env else {})}


def uploaded(api: ApiClient, file: Path, params: Mapping[str, str]) -> str:
    """Upload a module for its owner-to-be; the hash that names it."""
    source = read_at_most(file, _MOST_MODULE_BYTES, "name a WebAssembly module: a .wasm or .wat file")
    kind = "application/wasm"
    module = api.call("POST", _MODULES, content=source, content_type=kind, params=params, timeout_s=120)
    return str(module["sha256"])


def setup_lines(wasm: Item) -> dict[str, str]:
    """What a server runs and whether it does, by labels."""
    loaded = "its code is in memory" if wasm["loaded"] else "its code is loaded at the next call"
    module = wasm["module"]
    return {
        "state": f"started, {loaded}" if wasm["state"] == "started" else "stopped: it takes no calls",
        "module": f"{module['sha256'][:12]}, {module['size']:,} bytes, uploaded {day(module['created_at'])}",
        "limits": told_limits(wasm["limits"]),
        "granted": told_grants(wasm["grants"]),
    }


def told_limits(limits: Item) -> str:
    """`fuel 10,000, 64 MiB, 5,000 ms`."""
    return f"fuel {limits['fuel']:,}, {limits['memory_mb']} MiB, {limits['timeout_ms']:,} ms"


def told_grants(grants: Item) -> str:
    """`clock, REGION=north`, or `nothing`."""
    env = [f"{name}={value}" for name, value in grants["env"].items()]
    return ", ".join([*(flag for flag in _FLAGS if grants[flag]), *env]) or "nothing"


def usage_lines(usage: Item) -> dict[str, str]:
    """What a server's calls used, by labels."""
    most = usage["most_memory_bytes"]
    over = (("fuel", "over_fuel"), ("memory", "over_memory_mb"), ("time", "over_timeout_ms"))
    ended = ", ".join(f"{usage[key]} by {name}" for name, key in over if usage[key])
    return {
        "calls": f"{usage['calls']}, {usage['errors']} failed, {usage['running']} under way",
        "trapped": str(usage["traps"]),
        "limited": ended or "0",
        "fuel": f"{usage['fuel']:,}, {usage['most_fuel']:,} at most by one call",
        "memory": "" if most is None else f"{most / _MIB:.1f} MiB at most by one call",
        "time": f"{usage['busy_ms']:,.0f} ms",
        "last call": day(usage["last_used_at"]) or "",
    }
