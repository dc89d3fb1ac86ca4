"""The last question before a call with an effect on the world: has a person said yes to exactly this?

Governance's answers are all the state that there is. An approval is consumed before its call goes out, so one that is
consumed already means a call that may have had its effect: then a person is asked whether it is sent once more, under
a request of its own, and so on. Nothing is ever sent twice on this side's own account.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog

from kgents_shared.contracts.approvals import ApprovalRequest, ApprovalState, ConsumeApproval
from kgents_shared.contracts.tools import ApprovalWait, InvokeToolRequest
from kgents_shared.errors import Unavailable
from kgents_shared.http.client import CallFailed
from tool_registry_service.approvals.clients import Approvals
from tool_registry_service.calls import CallableTool, Refused
from tool_registry_service.invocation.masking import masked_whole, payload_hash

_log = structlog.get_logger("kgents.tools.approvals")
ResultT = TypeVar("ResultT")
_PAUSES_S: Final = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0)
_MOST_SENDINGS: Final = 10
_SHOWN_CHARS: Final = 300
_WHY: Final[Mapping[str, tuple[str, str]]] = {
    "rejected": ("rejected", "A person refused this call"),
    "expired": ("approval_expired", "The time to decide on this call, and to make it, is over"),
    "cancelled": ("approval_cancelled", "The approval of this call was withdrawn"),
}


@dataclass(frozen=True, slots=True)
class Word:
    """What was said: the call may be made, this once (`goes`), or waits, or is refused. `number` counts sendings."""

    number: int
    waiting: ApprovalWait | None = None
    refused: Refused | None = None

    @property
    def goes(self) -> bool:
        """Whether the call is to be made now."""
        return self.waiting is None and self.refused is None


class ApprovalStep:
    """Asks for a person's word, and takes it."""

    def __init__(self, approvals: Approvals) -> None:
        self._approvals = approvals

    async def word(self, call: InvokeToolRequest, tool: CallableTool, sent: int = 0) -> Word:
        """The word on a call of which this process knows that it was sent `sent` times, and got no answer."""
        for number in range(sent, _MOST_SENDINGS):
            try:
                found = await self._of_sending(number, call, tool)
            except Unavailable as away:
                _log.warning("approvals_away", tool=call.name, error=away.detail)
                said = f"Nobody can be asked right now whether {call.name} may be called."
                return Word(number, refused=_refused(number, call.name, "approvals_away", said))
            if found is not None:
                return found
        return Word(_MOST_SENDINGS, refused=Refused("unknown", f"{lost(call.name)} It is not sent any more."))

    async def _of_sending(self, number: int, call: InvokeToolRequest, tool: CallableTool) -> Word | None:
        """The word on that sending; None where it went out already, as far as can be known."""
        request = _request(number, call, tool)
        try:
            state = await _patiently(lambda: self._approvals.ask(request))
        except CallFailed as failed:
            return Word(number, refused=_not_asked(number, call, failed))
        if state.status == "approved":
            return await self._consumed(number, call, request, state)
        if state.status == "consumed":
            return None
        if state.status == "pending":
            return Word(number, waiting=ApprovalWait(approval_id=state.id, expires_at=state.expires_at))
        return Word(number, refused=said_no(number, call.name, state))

    async def _consumed(
        self, number: int, call: InvokeToolRequest, request: ApprovalRequest, state: ApprovalState
    ) -> Word | None:
        """Take the word that was given; it is gone with that, whatever becomes of the call."""
        payload = ConsumeApproval(payload_hash=request.payload_hash, request_key=request.request_key)
        try:
            await _patiently(lambda: self._approvals.consume(state.id, payload))
        except CallFailed as failed:
            if failed.far_code == "approval_consumed":
                return None
            status = failed.problem.get("approval_status")
            if status not in _WHY:
                return Word(number, refused=_not_asked(number, call, failed))
            return Word(number, refused=said_no(number, call.name, state.model_copy(update={"status": status})))
        return Word(number)


async def _patiently(ask: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Ask again for a while where nobody answers: the question has a key, so it is asked once."""
    for pause_s in _PAUSES_S:
        try:
            return await ask()
        except Unavailable:
            await asyncio.sleep(pause_s)
    return await ask()


def _request(number: int, call: InvokeToolRequest, tool: CallableTool) -> ApprovalRequest:
    payload = masked_whole(call.arguments)
    who = f"The agent {call.agent_name}" if call.agent_name else "Somebody"
    summary = f"{who} wants to call {call.name}: {_in_short(payload)}"
    if number:
        summary = (
            f"{call.name} was called, and its answer was lost: it may have taken effect. "
            f"Call it again, maybe for a second effect? {_in_short(payload)}"
        )
    return ApprovalRequest(
        owner_id=call.owner_id, principal=call.principal, agent_id=call.agent_id, agent_name=call.agent_name,
        run_id=call.run_id, conversation_id=call.conversation_id,
        action=f"repeat:{call.name}" if number else f"tool:{call.name}",
        payload_hash=payload_hash(tool, call.arguments), payload=payload, summary=summary,
        request_key=f"{call.idempotency_key}:repeat:{number}" if number else call.idempotency_key,
    )  # fmt: skip


def _in_short(payload: Mapping[str, Any]) -> str:
    text = ", ".join(f"{name}={value!r}" for name, value in payload.items()) or "no arguments"
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def said_no(number: int, name: str, state: ApprovalState) -> Refused:
    """What comes of a sending whose approval is rejected, expired or cancelled."""
    outcome, why = _WHY[state.status]
    note = f', saying "{state.note}".' if state.note else "."
    denied_by = {"level": "approval", "approval_id": str(state.id), "decided_by": state.decided_by}
    return _refused(number, name, outcome, f"{why}{note}", denied_by)


def _not_asked(number: int, call: InvokeToolRequest, failed: CallFailed) -> Refused:
    if failed.far_code in {"approval_key_reused", "approval_not_usable", "approval_not_found"}:
        said = f"What would be called now is not what was to be approved: {failed.detail} A new call asks anew."
        return _refused(number, call.name, "approval_void", said)
    said = f"No approval could be asked for: {failed.detail}"
    return _refused(number, call.name, failed.far_code or "not_asked", said)


def _refused(number: int, name: str, outcome: str, said: str, denied_by: dict[str, Any] | None = None) -> Refused:
    """The refusal of a sending; where it isn't the first, what came of the one before it stays unknown."""
    if not number:
        return Refused(outcome, f"{said} {name} was not called.", denied_by)
    return Refused("unknown", f"{lost(name)} It was not sent again. {said}", denied_by)


def lost(name: str) -> str:
    """What is known of a call that was sent and not answered."""
    return f"The call of {name} was sent, and its answer was lost: whether it took effect is not known."
