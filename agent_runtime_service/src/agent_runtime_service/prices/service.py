"""Prices kept: the table, what is in memory of it, and both lists as one."""

import asyncio
from typing import Final

from agent_runtime_service.errors import PriceNotFound
from agent_runtime_service.prices.book import PriceBook
from agent_runtime_service.prices.listed import price_list
from agent_runtime_service.prices.money import ModelPrice, per_million, written
from agent_runtime_service.prices.repository import OwnPrice, PriceRepository
from agent_runtime_service.prices.schemas import NewPrice, PriceView

_RELOAD_EVERY_S: Final = 5.0


class PriceService:
    """Shows and changes prices, and keeps the book equal to the table."""

    def __init__(self, repository: PriceRepository, book: PriceBook) -> None:
        self._repository = repository
        self._book = book

    async def all(self, provider: str | None) -> list[PriceView]:
        """Every known price by provider and model, an administrator's in place of the list's."""
        listed = price_list()
        views = {
            key: PriceView(
                provider=key[0], model=key[1], input=line.input, output=line.output, cached_input=line.cached_input,
                source="list", as_of=listed.as_of,
            )
            for key, line in listed.models.items()
        }  # fmt: skip
        views |= {(own.provider, own.model): _view(own) for own in await self._repository.all()}
        return [view for key, view in sorted(views.items()) if provider in (None, key[0])]

    async def put(self, provider: str, model: str, new: NewPrice, by: str) -> PriceView:
        """Give a model a price of one's own; it counts from the next call on, on other fronts within seconds."""
        await self._repository.put(OwnPrice(provider, model, *new.amounts, by))
        own = {(price.provider, price.model): price for price in await self._load()}
        return _view(own[provider, model])

    async def delete(self, provider: str, model: str) -> None:
        """Take a price of one's own away: the list's counts again. Raises `PriceNotFound`."""
        if not await self._repository.delete(provider, model):
            raise PriceNotFound("No administrator gave this model a price.")
        await self._load()

    async def keep_current(self) -> None:
        """Endless: other fronts write the same table."""
        while True:
            await self._load()
            await asyncio.sleep(_RELOAD_EVERY_S)

    async def _load(self) -> list[OwnPrice]:
        own = await self._repository.all()
        self._book.replace({(price.provider, price.model): _price(price) for price in own})
        return own


def _price(own: OwnPrice) -> ModelPrice:
    cached = own.input if own.cached_input is None else own.cached_input
    return ModelPrice(per_million(own.input), per_million(own.output), per_million(cached))


def _view(own: OwnPrice) -> PriceView:
    return PriceView(
        provider=own.provider,
        model=own.model,
        input=written(own.input),
        output=written(own.output),
        cached_input=None if own.cached_input is None else written(own.cached_input),
        source="own",
        as_of="" if own.updated_at is None else own.updated_at.date().isoformat(),
    )
