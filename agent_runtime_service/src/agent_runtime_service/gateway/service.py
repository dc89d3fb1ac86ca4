"""The gateway: checks a worker's model call, puts in what the worker must not have, and counts what comes back."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager

from agent_runtime_service.execution.active import ActiveRun, RunPlan
from agent_runtime_service.gateway.choice import ModelDefaults
from agent_runtime_service.gateway.faults import closing_event
from agent_runtime_service.gateway.ledger import Booking, ModelCallLedger
from agent_runtime_service.gateway.own_accounts import OwnAccounts
from agent_runtime_service.gateway.providers import EVENT_STREAM, Provider, ProviderAnswer, patience_s
from agent_runtime_service.gateway.request import checked_request
from agent_runtime_service.gateway.usage import UsageMeter
from kgents_shared.contracts.agent_spec import LlmSpec
from kgents_shared.contracts.worker import ModelChoice
from kgents_shared.errors import ApiError, Forbidden, TooManyRequests
from kgents_shared.http.vault import CredentialUse

# A worker may repeat a call whose answer broke off; beyond that it is out of hand.
_CALLS_PER_STEP = 2


class ModelGateway:
    """Model calls of runs, by provider."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        own: OwnAccounts,
        ledger: ModelCallLedger,
        defaults: ModelDefaults,
    ) -> None:
        self._providers = providers
        self._own = own
        self._ledger = ledger
        self._defaults = defaults

    def choose(self, llm: LlmSpec) -> ModelChoice:
        """The model of a run of this spec, with the platform's defaults put in."""
        return self._defaults.choose(llm)

    async def provider(self, name: str, credential: CredentialUse | None, purpose: str) -> Provider:
        """The provider by the platform's account, or by the credential's. Raises `BadGateway`, `Unavailable`."""
        return self._providers[name] if credential is None else await self._own.provider(credential, purpose)

    def forget_refused(self, credential: CredentialUse | None, error: ApiError) -> None:
        """Have a credential fetched anew whose key the provider refused."""
        if error.code == "provider_refused" and credential is not None:
            self._own.forget(credential)

    @asynccontextmanager
    async def complete(self, run: ActiveRun, provider: str, raw: bytes) -> AsyncGenerator[ProviderAnswer]:
        """Carry out one model call of a run; raises `ApiError` before the first byte.

        A fault after it ends the stream with an event `{"error": {code, detail, status}}`.
        """
        plan = run.plan
        if plan is None or provider != plan.model.provider:
            raise Forbidden("This run's version uses another model provider.", code="provider_not_allowed")
        self._admit(run, plan)
        request = checked_request(raw, plan.model)
        meter = UsageMeter(len(raw))
        began = time.monotonic()
        left = patience_s(run.time_left())
        try:
            chosen = await self.provider(provider, plan.credential, f"model calls of {run.agent_name}")
            async with chosen.complete(request, left) as answer:
                yield ProviderAnswer(answer.content_type, self._metered(run, answer, meter, began), answer.tries)
        except ApiError as error:
            run.model_fault = error
            self.forget_refused(plan.credential, error)
            if not meter.size:
                self._settle(run, meter, 1, began)
            raise

    def _settle(self, run: ActiveRun, meter: UsageMeter, tries: int, began: float) -> None:
        tokens = meter.tokens() if meter.size else (0, 0, False)
        run.usage.add(tokens[0], tokens[1], estimated=tokens[2])
        error = run.model_fault.code if run.model_fault is not None else None
        provider, model = (run.plan.model.provider, run.plan.model.model) if run.plan is not None else ("", "")
        booking = Booking(run.owner_id, provider, model, run_id=run.run_id, agent_id=run.agent_id)
        self._ledger.add(booking, tokens, tries=tries, duration_s=time.monotonic() - began, error=error)

    @staticmethod
    def _admit(run: ActiveRun, plan: RunPlan) -> None:
        run.model_fault = None
        run.model_requests += 1
        if run.model_requests > plan.max_steps * _CALLS_PER_STEP:
            raise TooManyRequests("The run has made all the model calls that it may.", code="too_many_model_calls")

    async def _metered(
        self, run: ActiveRun, answer: ProviderAnswer, meter: UsageMeter, began: float
    ) -> AsyncIterator[bytes]:
        """The bytes as they pass. It is settled before the worker sees the end, and so before the run can end."""
        try:
            async for data in answer.chunks:
                meter.see(data)
                yield data
        except ApiError as error:
            run.model_fault = error
            if answer.content_type != EVENT_STREAM:
                raise
            yield closing_event(error)
        finally:
            self._settle(run, meter, answer.tries, began)
