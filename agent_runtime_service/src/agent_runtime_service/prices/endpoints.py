"""`/api/v1/models/prices`: what models cost, and an administrator's own prices."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import StringConstraints

from agent_runtime_service.dependencies import ModelsRead, ModelsWrite, PriceServiceDep
from agent_runtime_service.prices.schemas import NewPrice, PriceView
from kgents_shared.contracts.agent_spec import Provider
from kgents_shared.contracts.model import Contract
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/models", tags=["models"])
# Names of models have slashes in them (`meta-llama/llama-4`), and `*` stands for every other model of the provider.
ModelPath = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$"), Path()]


class Prices(Contract):
    """Every known price."""

    items: list[PriceView]
    next_cursor: None = None


@router.get("/prices")
async def list_prices(
    _: ModelsRead, prices: PriceServiceDep, provider: Annotated[Provider | None, Query()] = None
) -> Prices:
    """What models cost for a million tokens: the providers' lists, an administrator's own prices before them."""
    return Prices(items=await prices.all(provider))


@router.put("/prices/{provider}/{model:path}")
async def put_price(
    provider: Provider, model: ModelPath, body: NewPrice, principal: ModelsWrite, prices: PriceServiceDep
) -> PriceView:
    """Say what a model costs; the model `*` is every one of the provider that stands nowhere else."""
    return await prices.put(provider, model, body, principal.subject)


@router.delete("/prices/{provider}/{model:path}", status_code=204)
async def delete_price(provider: Provider, model: ModelPath, _: ModelsWrite, prices: PriceServiceDep) -> None:
    """Take a price of one's own away; the provider's list counts again."""
    await prices.delete(provider, model)
