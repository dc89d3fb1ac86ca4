"""Models and providers as a caller may use them; what providers say is kept for a while."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from agent_runtime_service.catalogue.credentials import Credentials, OwnAccount
from agent_runtime_service.catalogue.listing import ListedByProvider, read_list
from agent_runtime_service.catalogue.schemas import Health, ModelPrices, Models, ModelView, ProviderHealth
from agent_runtime_service.gateway.http_provider import HttpProvider
from agent_runtime_service.gateway.service import ModelGateway
from agent_runtime_service.prices.book import LOCAL_PROVIDERS, PriceBook
from agent_runtime_service.prices.money import in_currency, written
from kgents_shared.contracts.agent_spec import LlmSpec
from kgents_shared.contracts.worker import ModelChoice
from kgents_shared.errors import ApiError
from kgents_shared.http.vault import CredentialUse

_KEPT_S: Final = 30.0
_PATIENCE_S: Final = 10.0
_MOST_KEPT: Final = 500
_PURPOSE: Final = "list of models"
_STATUS: Final[dict[str, Health]] = {
    "provider_refused": "refused",
    "provider_rate_limited": "rate_limited",
    "provider_unreachable": "unreachable",
    "provider_timeout": "unreachable",
    "provider_cut": "unreachable",
    "provider_address_refused": "credential_unusable",
    "credential_refused": "credential_unusable",
    "credential_not_found": "credential_unusable",
    "credential_unknown": "credential_unusable",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of asking one account for its list. `until` is on the monotonic clock."""

    health: ProviderHealth
    models: Sequence[ListedByProvider]
    until: float


class Catalogue:
    """Asks every account at once; one that was asked within half a minute is not asked again."""

    def __init__(self, gateway: ModelGateway, credentials: Credentials, prices: PriceBook) -> None:
        self._gateway = gateway
        self._credentials = credentials
        self._prices = prices
        self._kept: dict[tuple[str, CredentialUse | None], Checked] = {}
        self._asking: dict[tuple[str, CredentialUse | None], asyncio.Task[Checked]] = {}

    async def models(self, bearer: str) -> Models:
        """Every model of the platform's accounts and the caller's own."""
        checked = await self._checked(bearer)
        default = self._gateway.choose(LlmSpec())
        return Models(
            items=[self._view(one.health, model, default) for one in checked for model in one.models],
            providers=[one.health for one in checked],
        )

    async def health(self, bearer: str) -> list[ProviderHealth]:
        """Whether each account's provider answers and takes its key."""
        return [one.health for one in await self._checked(bearer)]

    async def _checked(self, bearer: str) -> list[Checked]:
        own = await self._credentials.of_caller(bearer)
        asked = [self._check(name, None) for name in self._gateway.configured]
        asked += [self._check(account.provider, account) for account in own]
        return list(await asyncio.gather(*asked))

    async def _check(self, provider: str, account: OwnAccount | None) -> Checked:
        use = None if account is None else CredentialUse(account.credential_ref, account.owner_id)
        key = (provider, use)
        kept = self._kept.get(key)
        if kept is not None and kept.until > time.monotonic():
            return kept
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._ask(provider, use, account))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        found = await asyncio.shield(task)
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[key] = found
        return found

    async def _ask(self, provider: str, use: CredentialUse | None, account: OwnAccount | None) -> Checked:
        began = time.monotonic()
        status, detail = "ok", None
        models: list[ListedByProvider] = []
        try:
            found = await self._gateway.provider(provider, use, _PURPOSE)
            if isinstance(found, HttpProvider):
                models = read_list(provider, await found.listed(_PATIENCE_S))
            else:
                models = [ListedByProvider(provider, capabilities=("streaming",))]
        except ApiError as error:
            self._gateway.forget_refused(use, error)
            status, detail = _STATUS.get(error.code, "failed"), error.detail
        now = time.monotonic()
        health = ProviderHealth(
            provider=provider,
            credential_ref=None if account is None else account.credential_ref,
            credential=None if account is None else account.name,
            status=status,
            detail=detail,
            models=len(models) if status == "ok" else None,
            latency_ms=round((now - began) * 1000),
            checked_at=datetime.now(UTC),
        )
        return Checked(health, models, now + _KEPT_S)

    def _view(self, health: ProviderHealth, model: ListedByProvider, default: ModelChoice) -> ModelView:
        price = self._prices.price(health.provider, model.name)
        prices = None
        if price is not None:
            amounts = (in_currency(tokens * 1_000_000) for tokens in (price.input, price.output, price.cached_input))
            prices = ModelPrices(**dict(zip(("input", "output", "cached_input"), map(written, amounts), strict=True)))
        is_default = (health.provider, model.name) == (default.provider, default.model)
        return ModelView(
            provider=health.provider,
            model=model.name,
            credential_ref=health.credential_ref,
            capabilities=None if model.capabilities is None else list(model.capabilities),
            context_window=model.window,
            size_bytes=model.size_bytes,
            prices=prices,
            is_local=health.provider in LOCAL_PROVIDERS,
            is_default=is_default and health.credential_ref is None,
        )
