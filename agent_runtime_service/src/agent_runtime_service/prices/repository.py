"""All SQL about prices."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from kgents_shared.db import HotPool

_ALL = "SELECT provider, model, input, output, cached_input, updated_by, updated_at FROM runtime.model_prices"
_PUT = """
INSERT INTO runtime.model_prices (provider, model, input, output, cached_input, updated_by)
VALUES (%(provider)s, %(model)s, %(input)s, %(output)s, %(cached_input)s, %(updated_by)s)
ON CONFLICT (provider, model) DO UPDATE SET input = excluded.input, output = excluded.output,
    cached_input = excluded.cached_input, updated_by = excluded.updated_by, updated_at = now()
"""
_DELETE = "DELETE FROM runtime.model_prices WHERE provider = %(provider)s AND model = %(model)s RETURNING model"


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """What an administrator says that a million tokens cost."""

    provider: str
    model: str
    input: Decimal
    output: Decimal
    cached_input: Decimal | None
    updated_by: str
    updated_at: datetime | None = None


class PriceRepository:
    """Reads and writes `model_prices`."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def all(self) -> list[OwnPrice]:
        """Every price that an administrator gave."""
        return [OwnPrice(*row) for row in await self._rows(_ALL, {})]

    async def put(self, price: OwnPrice) -> None:
        """Store a price in place of an earlier one."""
        async with self._pool.connection() as connection:
            await connection.execute(
                _PUT,
                {
                    "provider": price.provider,
                    "model": price.model,
                    "input": price.input,
                    "output": price.output,
                    "cached_input": price.cached_input,
                    "updated_by": price.updated_by,
                },
            )

    async def delete(self, provider: str, model: str) -> bool:
        """Forget a price; False where there was none."""
        return bool(await self._rows(_DELETE, {"provider": provider, "model": model}))

    async def _rows(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
            return await cursor.fetchall()
