"""One answer of a model for a service: the owner's account and limits, the same ledger as runs have."""

import time
from typing import Any, cast

import orjson

from agent_runtime_service.budgets.admission import Admitted
from agent_runtime_service.budgets.book import Payer
from agent_runtime_service.errors import ModelNeeded
from agent_runtime_service.gateway import faults
from agent_runtime_service.gateway.ledger import Booking, ModelCallLedger, Spent
from agent_runtime_service.gateway.request import checked_request
from agent_runtime_service.gateway.service import ModelGateway
from agent_runtime_service.gateway.usage import UsageMeter
from agent_runtime_service.messages.places import Places
from kgents_shared.contracts.completions import MOST_ANSWER_CHARS, Completion, CompletionRequest, CompletionUsage
from kgents_shared.contracts.worker import ModelChoice
from kgents_shared.errors import ApiError
from kgents_shared.http.vault import CredentialUse

_NEEDED = (
    "This needs a language model, and only the built-in echo would answer: name another provider, "
    "or ask the operator to set OPENAI_API_KEY or OPENAI_BASE_URL, or those of another provider."
)
# What servers that don't know `response_format` with a schema answer to it.
_NOT_UNDERSTOOD = frozenset({400, 404, 415, 422, 501})
_UNSTORABLE = "\ufffd"


class CompletionService:
    """Carries out such calls; each takes a place among its owner's runs."""

    def __init__(self, gateway: ModelGateway, ledger: ModelCallLedger, places: Places) -> None:
        self._gateway = gateway
        self._ledger = ledger
        self._places = places

    async def complete(self, body: CompletionRequest) -> Completion:
        """The model's answer. `ModelNeeded`, `TooManyOfOwner`, and what `gateway.faults` tells of providers."""
        choice = self._gateway.choose(body.llm)
        if choice.provider == "echo":
            raise ModelNeeded(_NEEDED)
        until = time.monotonic() + body.timeout_s
        give_back = self._places.take(body.owner_id, None)
        try:
            try:
                return await self._once(body, choice, body.answer_schema, until)
            except faults.ProviderFailed as failed:
                if body.answer_schema is None or failed.far_status not in _NOT_UNDERSTOOD:
                    raise
            return await self._once(body, choice, None, until)
        finally:
            give_back()

    async def _once(
        self, body: CompletionRequest, choice: ModelChoice, schema: dict[str, Any] | None, until: float
    ) -> Completion:
        request: dict[str, Any] = {"messages": [message.model_dump() for message in body.messages]}
        if schema is not None:
            asked = {"name": "answer", "strict": True, "schema": schema}
            request["response_format"] = {"type": "json_schema", "json_schema": asked}
        raw = orjson.dumps(request)
        meter, began, tries, code = UsageMeter(len(raw)), time.monotonic(), 1, None
        ref = body.llm.credential_ref
        credential = None if ref is None else CredentialUse(ref, body.owner_id)
        admitted = await self._admitted(body.owner_id, choice, raw)
        if admitted.max_tokens is not None:
            choice = choice.model_copy(update={"max_tokens": admitted.max_tokens})
        try:
            provider = await self._gateway.provider(choice.provider, credential, body.purpose)
            async with provider.complete(checked_request(raw, choice), max(0.0, until - began)) as answer:
                tries, pieces = answer.tries, list[bytes]()
                async for data in answer.chunks:
                    meter.see(data)
                    pieces.append(data)
            text, is_whole = _said(choice.provider, b"".join(pieces))
        except ApiError as error:
            code = error.code
            self._gateway.forget_refused(credential, error)
            raise
        finally:
            tokens = meter.tokens() if meter.size or code in faults.GIVEN_UP else (0, 0, False)
            cost = admitted.settle(tokens[0], tokens[1], meter.cached_tokens)
            owner_id, duration_s = body.owner_id, time.monotonic() - began
            booking = Booking(owner_id, choice.provider, choice.model, agent_owner_id=owner_id, purpose=body.purpose)
            spent = Spent(cost, meter.cached_tokens)
            self._ledger.add(booking, tokens, tries=tries, duration_s=duration_s, error=code, spent=spent)
        usage = CompletionUsage(prompt_tokens=tokens[0], completion_tokens=tokens[1], estimated=tokens[2])
        return Completion(text=text, is_whole=is_whole, provider=choice.provider, model=choice.model, usage=usage)

    async def _admitted(self, owner_id: str, choice: ModelChoice, raw: bytes) -> Admitted:
        budgets = self._gateway.budgets
        bounds = budgets.bounds(Payer(owner_id, agent_owner_id=owner_id))
        if not bounds:
            return Admitted(budgets.price(choice.provider, choice.model))
        return await budgets.admit(bounds, choice.provider, choice.model, raw, choice.max_tokens)


def _said(provider: str, body: bytes) -> tuple[str, bool]:
    """The text of a chat completion, and whether it is whole."""
    try:
        choice: Any = orjson.loads(body)["choices"][0]
        content = choice["message"].get("content")
    except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError):
        raise faults.garbage(provider, "something that isn't a chat completion") from None
    refusal = cast("dict[str, Any]", choice["message"]).get("refusal")
    if not isinstance(content, str):
        content = refusal if isinstance(refusal, str) else ""
    if len(content) > MOST_ANSWER_CHARS:
        raise faults.garbage(provider, "more than an answer may hold")
    return content.replace("\x00", _UNSTORABLE), choice.get("finish_reason") != "length"
