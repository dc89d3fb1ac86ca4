"""The packaged list: what well-known models cost and can do. It is read when somebody first asks."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, cast

from agent_runtime_service.prices.money import ModelPrice, per_million

# What pins a version of a model, which costs what the model costs: `gpt-4o-2024-08-06`, `claude-…-20250219`.
_PINNED: Final = re.compile(r"(-\d{4}-\d{2}-\d{2}|-\d{8}|-\d{3}|-latest)$")
_ALL_CAN: Final = ("streaming", "tools", "images", "structured_output")


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One line of the list. `window` is in tokens; `lacks` names what most models can and this one can't."""

    input: str
    output: str
    cached_input: str | None = None
    window: int | None = None
    embeds: bool = False
    lacks: tuple[str, ...] = ()

    @property
    def price(self) -> ModelPrice:
        """What its tokens cost."""
        return ModelPrice(
            per_million(self.input), per_million(self.output), per_million(self.cached_input or self.input)
        )

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What it can."""
        return ("embeddings",) if self.embeds else tuple(name for name in _ALL_CAN if name not in self.lacks)


@dataclass(frozen=True, slots=True)
class PriceList:
    """The list by provider and model, and the day that it is of."""

    as_of: str
    models: dict[tuple[str, str], ListedModel]

    def find(self, provider: str, model: str) -> ListedModel | None:
        """The model's line, also where the model is named with its date."""
        return next((self.models[provider, name] for name in spellings(model) if (provider, name) in self.models), None)


def spellings(model: str) -> tuple[str, ...]:
    """The names that a model may stand under, the exact one first."""
    plain = model.removeprefix("models/")
    return tuple(dict.fromkeys((model, plain, _PINNED.sub("", plain))))


@cache
def price_list() -> PriceList:
    """The packaged list."""
    text = (files("agent_runtime_service.prices") / "listed.toml").read_text("utf-8")
    document = tomllib.loads(text)
    models: dict[tuple[str, str], ListedModel] = {}
    for provider, lines in document.items():
        if isinstance(lines, dict):
            for name, line in cast("dict[str, dict[str, Any]]", lines).items():
                models[provider, name] = _line(line)
    return PriceList(str(document["as_of"]), models)


def _line(told: dict[str, Any]) -> ListedModel:
    lacks: list[str] = told.pop("lacks", [])
    return ListedModel(**told, lacks=tuple(lacks))
