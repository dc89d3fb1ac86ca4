"""What a component gets of WASI (0.2), written here so that nothing is there that nobody granted.

Every function that a component imports is defined: those below do what the grants say, any other ends the call with a
sentence that names it. Nothing of wasmtime's own WASI is linked: its functions sleep where no limit reaches, and open
sockets before they ask who may.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

import wasmtime
from wasmtime import component as wc
from wasmtime.component import _types as component_types  # pyright: ignore[reportPrivateUsage] -- see _ThreadsOwnSet

from tool_registry_service.wasm_tools.faults import NotATool
from tool_registry_service.wasm_tools.limits import WasmGrants

_MAX_SAID_BYTES = 4_096
_MAX_RANDOM_BYTES = 65_536
_WRITABLE_BYTES = 65_536
_RESOURCE_KINDS = (
    "error", "pollable", "input-stream", "output-stream", "terminal-input", "terminal-output", "descriptor",
    "directory-entry-stream", "network", "tcp-socket", "udp-socket", "incoming-datagram-stream",
    "outgoing-datagram-stream", "resolve-address-stream",
)  # fmt: skip
_STDIN, _STDOUT, _STDERR, _POLLABLE = 0, 1, 2, 3

Function = Callable[..., Any]


class _ThreadsOwnSet(threading.local):
    """A set for each thread that uses it."""

    def __init__(self) -> None:
        self._types: set[type] = set()
        self.add = self._types.add
        self.clear = self._types.clear

    def __iter__(self) -> Any:
        return iter(self._types)


# wasmtime finds a result's case by a set of types that all threads share; two at once would spoil each other's.
component_types.case_test_cache = cast("set[type]", _ThreadsOwnSet())


class Outside:
    """What one call sees of the outside, and what it wrote to standard output and error: the last of it is kept."""

    def __init__(self) -> None:
        self._said = bytearray()

    def write(self, data: bytes) -> None:
        """Keep the end of what was written."""
        self._said += data
        del self._said[:-_MAX_SAID_BYTES]

    def text(self) -> str:
        """What was written."""
        return self._said.decode("utf-8", "replace")


class Wasi:
    """The imports of one component, bound to what its server is granted."""

    def __init__(self, engine: wasmtime.Engine, compiled: wc.Component, grants: WasmGrants) -> None:
        self.linker = wc.Linker(engine)
        self._grants = grants
        self._here = threading.local()
        defined = self._defined()
        strangers: list[str] = []
        with self.linker.root() as root:
            for name, imported in compiled.type.imports(engine).items():
                kind = imported.ty
                if not name.startswith("wasi:") or not isinstance(kind, wc.ComponentInstanceType):
                    strangers.append(name)
                    continue
                with root.add_instance(name) as instance:
                    self._define(instance, name.partition("@")[0], kind.exports(engine), defined)
        if strangers:
            raise NotATool(f"it imports what no tool is given: {', '.join(strangers[:5])}")

    @contextmanager
    def seen_by(self, outside: Outside) -> Generator[None]:
        """What the calls of this thread see, for a block."""
        self._here.outside = outside
        try:
            yield
        finally:
            del self._here.outside

    @staticmethod
    def _define(
        instance: wc.LinkerInstance, interface: str, exports: dict[str, Any], defined: dict[str, Function]
    ) -> None:
        for name, exported in exports.items():
            kind = exported.ty
            if isinstance(kind, wc.ResourceType):
                number = _RESOURCE_KINDS.index(name) if name in _RESOURCE_KINDS else len(_RESOURCE_KINDS)
                instance.add_resource(name, wc.ResourceType.host(number), _forget)
            elif isinstance(kind, wc.FuncType):
                place = f"{interface}#{name}"
                instance.add_func(name, _letting_go(defined.get(place) or _refused(place)))

    def _defined(self) -> dict[str, Function]:
        """What there is, by interface and function."""
        granted = {**_STREAMS, **self._said()}
        granted["wasi:cli/environment#get-environment"] = _giving(lambda: list(self._grants.env.items()))
        if self._grants.clock:
            granted |= _CLOCKS
        if self._grants.random:
            granted |= _RANDOM
        return granted

    def _said(self) -> dict[str, Function]:
        def write(store: Any, stream: Any, data: Any) -> wc.Variant:
            self._here.outside.write(bytes(data))
            return wc.Variant("ok")

        streams = "wasi:io/streams#[method]output-stream"
        return {f"{streams}.write": write, f"{streams}.blocking-write-and-flush": write}


def _refused(place: str) -> Function:
    if place.startswith(("wasi:clocks/", "wasi:random/")) and "subscribe" not in place:
        grant = "clock" if place.startswith("wasi:clocks/") else "random"
        said = f'the module asked for {place}, which this server is not granted (grants: {{"{grant}": true}})'
    else:
        said = f"the module asked for {place}, which no tool is granted"

    def refuse(*_: Any) -> None:
        # Of this type alone: wasmtime keeps any other for whichever thread comes next.
        raise wasmtime.WasmtimeError(said)

    return refuse


def _letting_go(function: Function) -> Function:
    """`function`, after which nothing that it was lent is held."""

    def called(store: Any, *given: Any) -> Any:
        try:
            return function(store, *given)
        finally:
            for value in given:
                for one in cast("list[Any]", value) if isinstance(value, list) else (value,):
                    if isinstance(one, wc.ResourceAny):
                        one.drop(store)

    return called


def _forget(store: Any, rep: int) -> None:
    """No resource here holds anything."""


def _resource(number: int, kind: str) -> Function:
    return _giving(lambda: wc.ResourceHost.own(number, _RESOURCE_KINDS.index(kind)))


def _ended(*_: Any) -> None:
    raise wasmtime.WasmtimeError("the module ended itself")


def _done(*_: Any) -> wc.Variant:
    return wc.Variant("ok")


def _closed(*_: Any) -> None:
    """The error `closed`: wasmtime takes it by its type, since no other case of these results is nothing."""


def _random_bytes(_: Any, length: int) -> bytes:
    if length > _MAX_RANDOM_BYTES:
        raise wasmtime.WasmtimeError(f"the module asked for {length} random bytes at once")
    return secrets.token_bytes(length)


def _moment(nanoseconds: int) -> wc.Record:
    moment = wc.Record()
    vars(moment).update(seconds=nanoseconds // 1_000_000_000, nanoseconds=nanoseconds % 1_000_000_000)
    return moment


def _giving(value: Callable[[], Any]) -> Function:
    """A function that doesn't look at what it is given."""

    def give(*_: Any) -> Any:
        return value()

    return give


def _every(_: Any, pollables: list[Any]) -> list[int]:
    """Whatever is waited for is there: streams take all, and give nothing."""
    return list(range(len(pollables)))


def _nothing(*_: Any) -> None:
    return None


_STREAMS: dict[str, Function] = {
    "wasi:cli/environment#get-arguments": _giving(list),
    "wasi:cli/environment#initial-cwd": _nothing,
    "wasi:cli/exit#exit": _ended,
    "wasi:cli/exit#exit-with-code": _ended,
    "wasi:cli/stdin#get-stdin": _resource(_STDIN, "input-stream"),
    "wasi:cli/stdout#get-stdout": _resource(_STDOUT, "output-stream"),
    "wasi:cli/stderr#get-stderr": _resource(_STDERR, "output-stream"),
    "wasi:cli/terminal-stdin#get-terminal-stdin": _nothing,
    "wasi:cli/terminal-stdout#get-terminal-stdout": _nothing,
    "wasi:cli/terminal-stderr#get-terminal-stderr": _nothing,
    "wasi:filesystem/preopens#get-directories": _giving(list),
    "wasi:io/error#[method]error.to-debug-string": _giving(str),
    "wasi:io/poll#poll": _every,
    "wasi:io/poll#[method]pollable.ready": _giving(lambda: True),
    "wasi:io/poll#[method]pollable.block": _nothing,
    "wasi:io/streams#[method]input-stream.read": _closed,
    "wasi:io/streams#[method]input-stream.blocking-read": _closed,
    "wasi:io/streams#[method]input-stream.skip": _closed,
    "wasi:io/streams#[method]input-stream.blocking-skip": _closed,
    "wasi:io/streams#[method]input-stream.subscribe": _resource(_POLLABLE, "pollable"),
    "wasi:io/streams#[method]output-stream.check-write": _giving(lambda: _WRITABLE_BYTES),
    "wasi:io/streams#[method]output-stream.flush": _done,
    "wasi:io/streams#[method]output-stream.blocking-flush": _done,
    "wasi:io/streams#[method]output-stream.subscribe": _resource(_POLLABLE, "pollable"),
}
_CLOCKS: dict[str, Function] = {
    "wasi:clocks/wall-clock#now": _giving(lambda: _moment(time.time_ns())),
    "wasi:clocks/wall-clock#resolution": _giving(lambda: _moment(1)),
    "wasi:clocks/monotonic-clock#now": _giving(time.monotonic_ns),
    "wasi:clocks/monotonic-clock#resolution": _giving(lambda: 1),
}
_RANDOM: dict[str, Function] = {
    f"wasi:random/{interface}#{name}": made
    for interface, prefix in (("random", ""), ("insecure", "insecure-"))
    for name, made in (
        (f"get-{prefix}random-bytes", _random_bytes),
        (f"get-{prefix}random-u64", _giving(lambda: secrets.randbits(64))),
    )
} | {"wasi:random/insecure-seed#insecure-seed": _giving(lambda: (secrets.randbits(64), secrets.randbits(64)))}
