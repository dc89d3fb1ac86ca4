"""What providers' own lists of models say, read from each one's shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from agent_runtime_service.gateway.wires.wire import dig
from agent_runtime_service.prices.listed import price_list

_MOST_MODELS: Final = 2000
_MOST_NAME: Final = 200
_OF_GOOGLE: Final = "models/"


@dataclass(frozen=True, slots=True)
class ListedByProvider:
    """One model as its provider lists it; None is what it doesn't say."""

    name: str
    window: int | None = None
    capabilities: tuple[str, ...] | None = None
    size_bytes: int | None = None


def read_list(provider: str, document: Mapping[str, Any]) -> list[ListedByProvider]:
    """The models of a list; what has another shape is left out."""
    rows = document.get("models") if provider in {"google", "ollama"} else document.get("data")
    found: list[ListedByProvider] = []
    if isinstance(rows, Sequence) and not isinstance(rows, str | bytes):
        for row in cast("Sequence[Any]", rows)[:_MOST_MODELS]:
            model = _read(provider, row)
            if model is not None and 0 < len(model.name) <= _MOST_NAME:
                found.append(_with_what_is_known(provider, model))
    return found


def _read(provider: str, row: Any) -> ListedByProvider | None:
    name = dig(row, "name" if provider in {"google", "ollama"} else "id")
    if not isinstance(name, str):
        return None
    if provider == "google":
        return ListedByProvider(name.removeprefix(_OF_GOOGLE), _number(row, "inputTokenLimit"), _of_google(row))
    if provider == "ollama":
        told = dig(row, "capabilities")
        known = _of_ollama(cast("list[Any]", told)) if isinstance(told, list) else None
        return ListedByProvider(name, _number(row, "details", "context_length"), known, _number(row, "size"))
    # Some servers that speak OpenAI's wire say it under one of these.
    window = _number(row, "max_input_tokens") or _number(row, "context_length") or _number(row, "max_model_len")
    return ListedByProvider(name, window)


def _with_what_is_known(provider: str, model: ListedByProvider) -> ListedByProvider:
    known = price_list().find(provider, model.name)
    if known is None:
        return model
    return ListedByProvider(
        model.name, model.window or known.window, model.capabilities or known.capabilities, model.size_bytes
    )


def _of_google(row: Any) -> tuple[str, ...] | None:
    """Only what isn't for conversations is told apart: the list says nothing of tools and images."""
    methods = dig(row, "supportedGenerationMethods")
    if isinstance(methods, list) and "generateContent" not in methods and "embedContent" in methods:
        return ("embeddings",)
    return None


def _of_ollama(told: list[Any]) -> tuple[str, ...]:
    names = {"completion": "streaming", "tools": "tools", "vision": "images", "embedding": "embeddings"}
    found = [names[name] for name in told if name in names]
    # Ollama holds any model that speaks to a schema.
    return (*found, "structured_output") if "streaming" in found else tuple(found)


def _number(row: Any, *path: str) -> int | None:
    value = dig(row, *path)
    return value if isinstance(value, int) and value > 0 else None
