"""What a worker may do at the door, and the proof that it is the one who may."""

from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from uuid import UUID

import orjson

from agent_runtime_service.door.tools import ToolCaller
from agent_runtime_service.errors import StaleLease
from agent_runtime_service.execution.active import ActiveRun, ActiveRuns
from agent_runtime_service.execution.repository import RunJournal
from agent_runtime_service.gateway.service import ModelGateway
from agent_runtime_service.instances.directory import InstanceDirectory
from kgents_shared.contracts.worker import ContextChange, Message, StepRequest, ToolCallRequest, ToolCallResult
from kgents_shared.errors import InvalidInput, TooManyRequests, Unauthenticated

_MAX_CALLS_PER_STEP = 32
# One before each try of a model call, and one where that is refused as too long; of each of a few models.
_CHANGES_PER_STEP = 16


class DoorService:
    """The four calls. Run, owner and limits come from the front's own record, never from what the worker says."""

    def __init__(
        self,
        directory: InstanceDirectory,
        runs: ActiveRuns,
        journal: RunJournal,
        gateway: ModelGateway,
        tools: ToolCaller,
    ) -> None:
        self._directory = directory
        self._runs = runs
        self._journal = journal
        self._tools = tools
        self.gateway = gateway

    def admit(self, headers: Mapping[bytes, bytes]) -> ActiveRun:
        """The run that the call belongs to.

        Raises `Unauthenticated` for a wrong token or instance, `StaleLease` for a run that is not (or no longer)
        driven here under this epoch by this instance.
        """
        bearer = headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        instance_id = _uuid(headers.get(b"x-kgents-instance"))
        instance = self._directory.get(instance_id) if instance_id is not None else None
        expected = instance.token_hash if instance is not None else b"-"
        if not compare_digest(sha256(bearer).hexdigest().encode(), expected):
            raise Unauthenticated("This door opens to registered instances only.")
        run_id = _uuid(headers.get(b"x-kgents-run"))
        run = self._runs.get(run_id) if run_id is not None else None
        if run is None or run.instance_id != instance_id or headers.get(b"x-kgents-epoch") != b"%d" % run.epoch:
            raise StaleLease
        if run.suspension is not None:  # in the database the epoch is another already
            raise StaleLease
        return run

    async def store_step(self, run: ActiveRun, body: bytes) -> int:
        """Store an assistant message with tool calls; its place in the transcript."""
        message = StepRequest.model_validate_json(body).message
        if message.role != "assistant" or not message.tool_calls or run.waiting_calls or run.stores_a_step:
            raise InvalidInput("A step is an assistant message with tool calls, after all earlier calls were made.")
        if len(message.tool_calls) > _MAX_CALLS_PER_STEP:
            raise TooManyRequests("That is more tool calls than one step may have.", code="too_many_tool_calls")
        if plan_steps(run) <= run.steps:
            raise TooManyRequests("The run has taken all the steps that it may.", code="too_many_steps")
        payload = _payload(message)
        run.stores_a_step = True  # a second one at the same time would find the limits as this one did
        try:
            seq = await self._journal.append_assistant(run, payload.decode())
        finally:
            run.stores_a_step = False
        run.steps += 1
        run.waiting_calls = {call.id: call for call in message.tool_calls}
        run.feed.stored(seq, payload)
        return seq

    async def change_context(self, run: ActiveRun, body: bytes) -> None:
        """Store what the model is shown no longer; a worker that tells of it more often than it asks is out of hand."""
        run.context_changes += 1
        if run.context_changes > plan_steps(run) * _CHANGES_PER_STEP:
            raise TooManyRequests(
                "The run has changed its context as often as it may.", code="too_many_context_changes"
            )
        await self._journal.change_context(run, ContextChange.model_validate_json(body))

    async def call_tool(self, run: ActiveRun, body: bytes) -> ToolCallResult:
        """Carry out a stored call; its result is stored before it is given back."""
        request = ToolCallRequest.model_validate_json(body)
        return await self._tools.call(run, request)


def plan_steps(run: ActiveRun) -> int:
    """How many steps the run's version allows."""
    return run.plan.max_steps if run.plan is not None else 0


def _payload(message: Message) -> bytes:
    return orjson.dumps(message.model_dump(mode="json", exclude_defaults=True))


def _uuid(text: bytes | None) -> UUID | None:
    try:
        return UUID(text.decode("ascii")) if text is not None else None
    except ValueError:
        return None
