"""The prices as every model call asks for them: in memory, the administrators' own before the packaged list."""

from collections.abc import Mapping
from typing import Final

from agent_runtime_service.prices.listed import price_list, spellings
from agent_runtime_service.prices.money import FREE, ModelPrice

# They run on machines of one's own; an administrator may still give their tokens a price.
LOCAL_PROVIDERS: Final = frozenset({"echo", "ollama", "localai"})
_MOST_KNOWN: Final = 10_000
ANY_MODEL: Final = "*"


class PriceBook:
    """What a token of a model costs. `replace` puts in the administrators' prices."""

    def __init__(self) -> None:
        self._own: Mapping[tuple[str, str], ModelPrice] = {}
        self._known: dict[tuple[str, str], ModelPrice | None] = {}

    def price(self, provider: str, model: str) -> ModelPrice | None:
        """The model's price; None where nobody said one."""
        key = (provider, model)
        try:
            return self._known[key]
        except KeyError:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            found = self._known[key] = self._find(provider, model)
            return found

    def replace(self, own: Mapping[tuple[str, str], ModelPrice]) -> None:
        """The administrators' prices are these from now on."""
        if own != self._own:
            self._own, self._known = dict(own), {}

    def _find(self, provider: str, model: str) -> ModelPrice | None:
        for name in spellings(model):
            if (own := self._own.get((provider, name))) is not None:
                return own
        listed = price_list().find(provider, model)
        if listed is not None:
            return listed.price
        otherwise = FREE if provider in LOCAL_PROVIDERS else None
        return self._own.get((provider, ANY_MODEL), otherwise)
