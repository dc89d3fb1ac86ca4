"""The gateway: checks a worker's model call, puts in what the worker must not have, and counts what comes back."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from agent_runtime_service.budgets.admission import MOST_ANSWER_TOKENS, Admitted, ModelBudgets
from agent_runtime_service.budgets.book import Payer
from agent_runtime_service.execution.active import ActiveRun, RunPlan
from agent_runtime_service.gateway import faults
from agent_runtime_service.gateway.accounts import KINDS, wire_at
from agent_runtime_service.gateway.choice import ModelDefaults, PlannedModel
from agent_runtime_service.gateway.faults import closing_event, closing_mark
from agent_runtime_service.gateway.http_provider import HttpProvider
from agent_runtime_service.gateway.kept_answers import MOST_BYTES, AnswerKey, KeptAnswer, KeptAnswers, key_of
from agent_runtime_service.gateway.ledger import Booking, CallTrace, ModelCallLedger, Spent
from agent_runtime_service.gateway.own_accounts import OwnAccounts
from agent_runtime_service.gateway.providers import JSON, Provider, ProviderAnswer, patience_s
from agent_runtime_service.gateway.request import checked_request
from agent_runtime_service.gateway.usage import UsageMeter, with_unseen
from agent_runtime_service.gateway.wires.ollama import OllamaMeter
from agent_runtime_service.gateway.wires.openai import OPENAI_WIRE
from agent_runtime_service.gateway.wires.wire import Meter, Wire
from agent_runtime_service.remote.agents import RemoteAgents
from kgents_shared.contracts.agent_spec import LlmSpec
from kgents_shared.contracts.worker import ModelChoice
from kgents_shared.errors import ApiError, Forbidden, TooManyRequests
from kgents_shared.http.vault import CredentialUse

# A worker may repeat a call whose answer broke off; beyond that it is out of hand. What falls out of the context may be
# summarised twice in a run: before a call, and where that is refused as too long.
_CALLS_PER_STEP = 2
_SUMMARIES = 2


@dataclass(slots=True, eq=False)
class _Call:
    """One model call of a run, settled once. `key` is what its answer is kept under, `others` how many models are left
    to be asked where this one doesn't answer.

    `sent` is the request as it went out, `first_byte` when its answer began.
    """

    run: ActiveRun
    model: PlannedModel
    meter: Meter
    began: float
    admitted: Admitted
    key: AnswerKey | None = None
    sent: dict[str, Any] | None = None
    first_byte: float | None = None
    is_settled: bool = False
    is_whole: bool = False
    others: int = 0


class ModelGateway:
    """Model calls of runs, by provider."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        own: OwnAccounts,
        remotes: RemoteAgents,
        ledger: ModelCallLedger,
        defaults: ModelDefaults,
        budgets: ModelBudgets,
        kept: KeptAnswers,
    ) -> None:
        self.budgets = budgets
        self._kept = kept
        self._providers = providers
        self._own = own
        self._remotes = remotes
        self.ledger = ledger
        self._defaults = defaults

    @property
    def configured(self) -> Mapping[str, Provider]:
        """The providers that the platform has an account at, by name."""
        return self._providers

    def choose(self, llm: LlmSpec) -> ModelChoice:
        """The first model of a run of this spec, with the platform's defaults put in."""
        return self._defaults.choose(llm)

    def planned(self, llm: LlmSpec, owner_id: str) -> tuple[PlannedModel, ...]:
        """That model and its fallbacks, with the accounts of the agent's owner."""
        return self._defaults.planned(llm, owner_id)

    async def provider(self, name: str, credential: CredentialUse | None, purpose: str) -> Provider:
        """The provider by the platform's account, or by the credential's.

        Raises `BadGateway`, `Unavailable`, and `Conflict` where nobody has an account there.
        """
        if credential is not None:
            return await self._own.provider(name, credential, purpose)
        found = self._providers.get(name)
        if found is None:
            raise faults.not_configured(name, KINDS[name].how)
        return found

    def forget_refused(self, credential: CredentialUse | None, error: ApiError) -> None:
        """Have a credential fetched anew whose key the provider refused."""
        if error.code == "provider_refused" and credential is not None:
            self._own.forget(credential)
            self._remotes.forget(credential)

    @asynccontextmanager
    async def complete(
        self, run: ActiveRun, provider: str, path: str, raw: bytes, place: int = 0
    ) -> AsyncGenerator[ProviderAnswer]:
        """Carry out one model call of a run, asked of `provider` on the wire that has the `path`.

        `place` says which of the run's models, the first one or one of its fallbacks. Raises `ApiError` before the
        first byte. A fault after it ends the stream with `{"error": {code, detail, status}}`: as an event on OpenAI's
        wire, behind `FAULT_MARK` on the others.
        """
        plan = run.plan
        if plan is None or place >= len(plan.models) or plan.models[place].choice.provider != provider:
            raise Forbidden("This run's version uses another model provider.", code="provider_not_allowed")
        model = plan.models[place]
        wire = wire_at(provider, path)
        self._count(run, plan)
        key = None
        if plan.cache_s is not None:
            key = key_of(run.owner_id, run.agent_id, plan.cache_s, model, path, raw)
            if (kept := await self._kept.find(key)) is not None:
                self._note_kept(run, plan, model)
                yield ProviderAnswer(kept.content_type, _once(kept.body), 1)
                return
        call = _Call(run, model, wire.meter(len(raw)), time.monotonic(), await self._admit(run, plan, model, raw), key)
        call.others = len(plan.models) - place - 1
        try:
            async with self._asked(call, wire, raw) as answer:
                yield ProviderAnswer(answer.content_type, self._metered(call, answer), answer.tries)
        except ApiError as error:
            run.model_fault = error
            self.forget_refused(model.credential, error)
            raise
        finally:
            self._settle(call, 1)

    async def _admit(self, run: ActiveRun, plan: RunPlan, model: PlannedModel, raw: bytes) -> Admitted:
        """Set aside what the call may take of budgets; without any there is nothing to wait for."""
        choice, budgets = model.choice, self.budgets
        bounds = budgets.bounds(Payer(run.owner_id, run.agent_id, plan.owner_id, plan.bounds.day, run.principal))
        if not bounds:
            return Admitted(budgets.price(choice.provider, choice.model))
        try:
            return await budgets.admit(bounds, choice.provider, choice.model, raw, choice.max_tokens)
        except ApiError as error:
            run.model_fault = error
            raise

    @asynccontextmanager
    async def _asked(self, call: _Call, wire: Wire, raw: bytes) -> AsyncGenerator[ProviderAnswer]:
        run, model, most = call.run, call.model, call.admitted.max_tokens
        choice = model.choice if most is None else model.choice.model_copy(update={"max_tokens": most})
        name, left = choice.provider, patience_s(run.time_left())
        if wire is OPENAI_WIRE:
            request = call.sent = checked_request(raw, choice)
            chosen = await self._chosen(model, run)
            opened = chosen.complete(request, left)
        else:
            wire_call = wire.call(raw, choice)
            call.sent = wire_call.body
            chosen = await self.provider(name, model.credential, f"model calls of {run.agent_name}")
            if not isinstance(chosen, HttpProvider):
                raise Forbidden(f"The provider {name} has no wire of its own.", code="provider_not_allowed")
            opened = chosen.answer(wire_call, left)
        if call.others:
            opened = _begun_within(opened, name, left / (call.others + 1))
        async with opened as answer:
            yield answer

    async def _chosen(self, model: PlannedModel, run: ActiveRun) -> Provider:
        """Who is asked on OpenAI's wire: a model's provider, or an agent that runs elsewhere."""
        if model.remote is not None:
            purpose = f"questions of {run.agent_name} to its agent elsewhere"
            return await self._remotes.provider(model, model.remote, run.conversation_id, purpose)
        return await self.provider(model.choice.provider, model.credential, f"model calls of {run.agent_name}")

    def _settle(self, call: _Call, tries: int) -> None:
        """Once for each call, however it ended: what it took is counted, in its run and for the budgets."""
        if call.is_settled:
            return
        call.is_settled = True
        run, meter, choice = call.run, call.meter, call.model.choice
        error = run.model_fault.code if run.model_fault is not None else None
        # One that was given up before its first byte may have cost its prompt; one that was refused cost nothing.
        tokens = meter.tokens() if meter.size or error in faults.GIVEN_UP else (0, 0, False)
        if tokens[2] and not call.is_whole and error in faults.GIVEN_UP:
            most = call.admitted.max_tokens or choice.max_tokens or MOST_ANSWER_TOKENS
            tokens = (tokens[0], with_unseen(choice, tokens[1], time.monotonic() - call.began, most), True)
        cached = meter.cached_tokens
        cost = call.admitted.settle(tokens[0], tokens[1], cached)
        run.usage.add(tokens[0], tokens[1], estimated=tokens[2], cost=cost)
        if error is None:
            run.usage.answered_by = choice
        spent = Spent(cost, cached, timings=timings_of(meter))
        duration_s = time.monotonic() - call.began
        first_s = None if call.first_byte is None else call.first_byte - call.began
        trace = CallTrace(run.conversation_id, run.steps, run.epoch, first_s, call.sent)
        booking = _booking(run, choice)
        self.ledger.add(booking, tokens, tries=tries, duration_s=duration_s, error=error, spent=spent, trace=trace)

    def _note_kept(self, run: ActiveRun, plan: RunPlan, model: PlannedModel) -> None:
        """A kept answer served: no model was asked, and nothing was spent."""
        run.usage.add(0, 0, estimated=False, cached=True)
        run.usage.answered_by = model.choice
        spent = Spent(0, from_cache=True)
        booking = _booking(run, model.choice)
        trace = CallTrace(run.conversation_id, run.steps, run.epoch)
        self.ledger.add(booking, (0, 0, False), tries=0, duration_s=0, error=None, spent=spent, trace=trace)

    @staticmethod
    def _count(run: ActiveRun, plan: RunPlan) -> None:
        run.model_fault = None
        run.model_requests += 1
        if run.model_requests > plan.max_steps * _CALLS_PER_STEP * len(plan.models) + _SUMMARIES:
            raise TooManyRequests("The run has made all the model calls that it may.", code="too_many_model_calls")

    async def _metered(self, call: _Call, answer: ProviderAnswer) -> AsyncIterator[bytes]:
        """The bytes as they pass. It is settled before the worker sees the end, and so before the run can end."""
        run, meter = call.run, call.meter
        pieces: list[bytes] | None = None if call.key is None else []
        try:
            async for data in answer.chunks:
                if call.first_byte is None:
                    call.first_byte = time.monotonic()
                meter.see(data)
                if pieces is not None and meter.size <= MOST_BYTES:
                    pieces.append(data)
                yield data
            meter.end()
            call.is_whole = True
        except ApiError as error:
            run.model_fault = error
            if answer.content_type == JSON:
                raise
            yield closing_event(error) if isinstance(meter, UsageMeter) else closing_mark(error)
        else:
            if call.key is not None and pieces is not None:
                await self._keep(call.key, meter, KeptAnswer(answer.content_type, b"".join(pieces)))
        finally:
            self._settle(call, answer.tries)

    async def _keep(self, key: AnswerKey, meter: Meter, answer: KeptAnswer) -> None:
        """What is whole and no longer than is kept."""
        is_whole = not isinstance(meter, UsageMeter) or answer.content_type == JSON or b"[DONE]" in answer.body[-64:]
        if is_whole and meter.size <= MOST_BYTES:
            await self._kept.keep(key, answer)


def timings_of(meter: Meter) -> dict[str, int] | None:
    """A local model's own times in milliseconds, where it tells them: loading it, reading the prompt, answering."""
    if not isinstance(meter, OllamaMeter) or not meter.last:
        return None
    told = {name: meter.last.get(f"{name}_duration") for name in ("load", "prompt_eval", "eval", "total")}
    return {f"{name}_ms": value // 1_000_000 for name, value in told.items() if isinstance(value, int) and value >= 0}


def _booking(run: ActiveRun, choice: ModelChoice) -> Booking:
    return Booking(
        run.owner_id,
        choice.provider,
        choice.model,
        run_id=run.run_id,
        agent_id=run.agent_id,
        agent_owner_id=run.plan.owner_id if run.plan is not None else None,
        agent_name=run.agent_name,
    )


@asynccontextmanager
async def _begun_within(
    opened: AbstractAsyncContextManager[ProviderAnswer], provider: str, most_s: float
) -> AsyncGenerator[ProviderAnswer]:
    """The answer, if it begins within its share of what the run has left: its fallbacks need some, too."""
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(most_s):
                answer = await stack.enter_async_context(opened)
        except TimeoutError as error:
            raise faults.timed_out(provider) from error
        yield answer


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
