"""Repeats runs, and compares them."""

import asyncio
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from agent_runtime_service.errors import KeyReused, NotReplayable, RunNotEnded, RunNotFound, TooManyRuns
from agent_runtime_service.execution.active import ActiveRun, ActiveRuns
from agent_runtime_service.execution.driver import RunDriver
from agent_runtime_service.execution.replay import Replays
from agent_runtime_service.execution.repository import KeyTaken, NewRun, RunJournal
from agent_runtime_service.gateway.service import ModelGateway
from agent_runtime_service.instances.directory import Instance, InstanceDirectory
from agent_runtime_service.messages.finder import AgentFinder, meant_agent
from agent_runtime_service.messages.places import Places
from agent_runtime_service.replays.comparing import compared
from agent_runtime_service.replays.repository import NewReplay, ReplayRepository
from agent_runtime_service.replays.schemas import Comparison, ReplayRequest, ReplayStarted
from agent_runtime_service.runs.repository import RunRepository
from agent_runtime_service.traces.records import RunRecord, RunRecords
from agent_runtime_service.traces.repository import TraceRepository
from kgents_shared.auth import Principal
from kgents_shared.contracts.agent_spec import LlmSpec
from kgents_shared.contracts.instances import STABLE
from kgents_shared.contracts.worker import Image
from kgents_shared.db import new_id
from kgents_shared.errors import Forbidden, Unavailable

_ENDED: Final = frozenset({"completed", "failed", "cancelled"})
_CHANGE: Final = "agents:write"
_REPLAYED_SHELLS: Final = frozenset({"Chat", "Langflow"})


@dataclass(frozen=True, slots=True)
class ReplayParts:
    """What a replay goes through, as every run does."""

    finder: AgentFinder
    directory: InstanceDirectory
    gateway: ModelGateway
    journal: RunJournal
    driver: RunDriver
    runs: ActiveRuns
    places: Places
    stored: RunRepository
    max_active_runs: int


class ReplayService:
    """Begins replays of runs that have ended. None of them calls a tool: see `execution.replay`."""

    def __init__(
        self, parts: ReplayParts, repository: ReplayRepository, replays: Replays, traces: TraceRepository
    ) -> None:
        self._parts = parts
        self._repository = repository
        self._replays = replays
        self._traces = traces

    async def begin(self, principal: Principal, run_id: UUID, body: ReplayRequest, key: str | None) -> ReplayStarted:
        """Repeat a run's question in a conversation of its own.

        Raises `RunNotFound`, `RunNotEnded`, `NotReplayable`, `KeyReused`, and what a message to that version raises.
        """
        parts = self._parts
        old = await self._ended(principal.owner_ids, run_id)
        if len(parts.runs) >= parts.max_active_runs:
            raise TooManyRuns("The platform has all the runs that it may have right now; try again.")
        version = body.version or old.version
        instance = await self._instance(principal, old, version)
        provider, model = await self._model(principal, instance, body)
        registration = instance.registration
        await parts.places.count_message(registration)
        extras = await self._traces.extras(old.id)
        run = ActiveRun(
            run_id=new_id(),
            conversation_id=new_id(),
            owner_id=old.owner_id,
            principal=principal.subject,
            agent_id=registration.agent_id,
            agent_name=registration.agent_name,
            version=registration.version,
            text=old.question,
            timeout_s=registration.spec.limits.timeout_s,
            lane=self._lane(old.agent_id, version),
            images=tuple(Image(**image) for image in extras.get("images", ())),
            answer_schema=extras.get("answer_schema"),
        )
        run.replay = await self._replays.made_of(old.id, provider, model)
        new = NewReplay(run.run_id, run.conversation_id, old.owner_id, old.id, run.lane, provider, model)
        return await self._begun(run, new, key, _hash(run_id, body))

    async def _begun(self, run: ActiveRun, new: NewReplay, key: str | None, request_hash: bytes) -> ReplayStarted:
        parts = self._parts
        give_back = parts.places.take(run.owner_id, None)
        try:
            if not await self._repository.prepare(new):
                raise NotReplayable("The run never began: there is no question to repeat.")
            await parts.journal.begin(NewRun(run, False, key, request_hash if key is not None else None))
        except BaseException as error:
            give_back()
            await self._repository.forget(new)
            if isinstance(error, KeyTaken):
                return await self._earlier(run, new.of, key or "", request_hash)
            raise
        run.done.add_done_callback(lambda _: give_back())
        parts.driver.start(run)
        return ReplayStarted(run_id=run.run_id, conversation_id=run.conversation_id, replay_of=new.of, status="running")

    async def _earlier(self, run: ActiveRun, of: UUID, key: str, request_hash: bytes) -> ReplayStarted:
        earlier = await self._parts.stored.by_key(run.owner_id, run.agent_id, key)
        if earlier is None:
            raise Unavailable("The run under this Idempotency-Key has just failed; try again.", code="run_failed")
        if earlier.request_hash != request_hash:
            raise KeyReused("This Idempotency-Key came with another request before; use a new one.")
        return ReplayStarted(
            run_id=earlier.run_id, conversation_id=earlier.conversation_id, replay_of=of, status=earlier.status
        )

    async def compare(self, owner_ids: Collection[str], first: UUID, second: UUID) -> Comparison:
        """Two of the owners' runs side by side. Raises `RunNotFound`."""
        newer = await self._records(owner_ids, second)  # whose calls may have been written a moment ago
        # Long ones take a while: nobody else waits meanwhile.
        return await asyncio.to_thread(compared, await self._records(owner_ids, first), newer)

    async def _records(self, owner_ids: Collection[str], run_id: UUID) -> RunRecords:
        run = await self._traces.run(owner_ids, run_id)
        if run is None:
            raise RunNotFound("There is no such run.")
        [records] = await self._traces.filled([run])
        return records

    async def _ended(self, owner_ids: Collection[str], run_id: UUID) -> RunRecord:
        run = await self._traces.run(owner_ids, run_id)
        if run is None:
            raise RunNotFound("There is no such run.")
        if run.status not in _ENDED:
            raise RunNotEnded(f"The run is {run.status}: it can be repeated once it has ended.")
        return run

    async def _instance(self, principal: Principal, old: RunRecord, version: int) -> Instance:
        reference = meant_agent(principal, str(old.agent_id))
        instance = await self._parts.finder.ready_instance(reference, self._lane(old.agent_id, version), asked=True)
        shell = instance.registration.spec.runtime.shell
        if shell not in _REPLAYED_SHELLS:
            raise NotReplayable(
                f"Runs of the shell {shell} can't be repeated: what the agent there does isn't known here."
            )
        return instance

    def _lane(self, agent_id: UUID, version: int) -> str:
        """Where the version runs: as the stable one, or by its number."""
        stable = self._parts.directory.choose(agent_id, STABLE)
        return STABLE if stable is not None and stable.registration.version == version else str(version)

    async def _model(
        self, principal: Principal, instance: Instance, body: ReplayRequest
    ) -> tuple[str | None, str | None]:
        """The provider and model where another one is asked for. Raises what having no account there raises, and
        `Forbidden` for who may not change what an agent's model is.
        """
        if body.provider is None and body.model is None:
            return None, None
        if _CHANGE not in principal.scopes:
            raise Forbidden(f"Which model an agent is tried with is for who may change it: that needs {_CHANGE}.")
        registration = instance.registration
        if registration.spec.runtime.shell != "Chat":
            raise NotReplayable("A flow names its models itself: repeat its run with another version instead.")
        own, gateway = registration.spec.llm, self._parts.gateway
        planned = gateway.planned(own, registration.owner_id)
        provider = body.provider or planned[0].choice.provider
        credential = next((one.credential for one in planned if one.choice.provider == provider), None)
        choice = gateway.choose(LlmSpec.model_validate({"provider": provider, "model": body.model}))
        await gateway.provider(provider, credential, f"model calls of {registration.agent_name}")
        return choice.provider, choice.model


def _hash(run_id: UUID, body: ReplayRequest) -> bytes:
    return hashlib.sha256(f"replay {run_id} {body.model_dump_json()}".encode()).digest()
