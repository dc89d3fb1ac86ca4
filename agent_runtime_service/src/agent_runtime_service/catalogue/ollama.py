"""The platform's Ollama: what it has, what is loaded, how long its models take; and fetching another one."""

from collections.abc import AsyncGenerator
from typing import Any, Final, cast

import orjson

from agent_runtime_service.catalogue.schemas import LocalModel
from agent_runtime_service.errors import ModelNotFound
from agent_runtime_service.gateway import faults
from agent_runtime_service.gateway.accounts import KINDS
from agent_runtime_service.gateway.http_provider import HttpProvider
from agent_runtime_service.gateway.service import ModelGateway
from agent_runtime_service.gateway.wires.wire import WireCall, dig
from agent_runtime_service.spending.repository import UsageRepository
from kgents_shared.errors import ApiError, Conflict

_NAME: Final = "ollama"
_PATIENCE_S: Final = 10.0
_PULL_S: Final = 4 * 3600.0
_SHOWN: Final = ("status", "digest", "total", "completed")
_MOST_LINE: Final = 64 * 1024


class LocalModelService:
    """Speaks to Ollama's management of models with the platform's account."""

    def __init__(self, gateway: ModelGateway, usage: UsageRepository) -> None:
        self._gateway = gateway
        self._usage = usage

    async def models(self) -> list[LocalModel]:
        """What it has. Raises what `gateway.faults` tells."""
        ollama = await self._provider()
        installed = await ollama.listed(_PATIENCE_S)
        running = await ollama.fetch("GET", "api/ps", _PATIENCE_S)
        timings = await self._usage.timings(_NAME)
        loaded = {name: row for row in _rows(running) if isinstance(name := dig(row, "name"), str)}
        return [
            _view(name, row, loaded.get(name), timings.get(name))
            for row in _rows(installed)
            if isinstance(name := dig(row, "name"), str)
        ]

    async def pull(self, model: str) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
        """Fetch a model: `progress` events with Ollama's status, and bytes `completed` of `total`; then `completed`.

        Raises `ModelNotFound`, and what `gateway.faults` tells. Who goes away stops it; what
        was fetched stays, and the next one goes on from there.
        """
        ollama = await self._provider()
        call = WireCall("api/pull", {"model": model, "stream": True})
        rest = b""
        async with ollama.answer(call, _PULL_S) as answer:
            async for data in answer.chunks:
                *lines, rest = (rest + data).split(b"\n")
                if len(rest) > _MOST_LINE:
                    raise faults.garbage(_NAME, "a line without an end")
                for line in lines:
                    if line.strip():
                        yield "progress", _progress(model, line)
        if rest.strip():
            yield "progress", _progress(model, rest)
        yield "completed", {"model": model}

    async def _provider(self) -> HttpProvider:
        found = self._gateway.configured.get(_NAME)
        if not isinstance(found, HttpProvider):
            raise Conflict(
                f"The platform has no Ollama: ask the operator to set {KINDS[_NAME].how}.",
                code="provider_not_configured",
            )
        return found


def _progress(model: str, line: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise faults.garbage(_NAME, "something that isn't JSON") from error
    if not isinstance(told, dict):
        raise faults.garbage(_NAME, "something that isn't a JSON object")
    fields = cast("dict[str, Any]", told)
    if "error" in fields:
        raise _refused(model, faults.shortened(str(fields["error"])))
    return {name: fields[name] for name in _SHOWN if name in fields}


def _refused(model: str, said: str) -> ApiError:
    if "does not exist" in said or "not found" in said:
        return ModelNotFound(f"Ollama's library has no model {model}: {said}")
    return faults.reported(_NAME, said)


def _rows(document: dict[str, Any]) -> list[Any]:
    rows = document.get("models")
    return cast("list[Any]", rows) if isinstance(rows, list) else []


def _view(name: str, row: Any, loaded: Any, timings: dict[str, Any] | None) -> LocalModel:
    def number(of: Any, key: str) -> int | None:
        value = dig(of, key)
        return value if isinstance(value, int) else None

    def text(of: Any, *path: str) -> str | None:
        value = dig(of, *path)
        return value if isinstance(value, str) else None

    return LocalModel(
        model=name,
        size_bytes=number(row, "size"),
        parameters=text(row, "details", "parameter_size"),
        quantization=text(row, "details", "quantization_level"),
        loaded=loaded is not None,
        memory_bytes=number(loaded, "size"),
        vram_bytes=number(loaded, "size_vram"),
        unloads_at=text(loaded, "expires_at"),
        timings=timings,
    )
