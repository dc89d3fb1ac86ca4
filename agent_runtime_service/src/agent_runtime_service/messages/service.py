"""From a message to its run: which agent, which instance, which conversation; and waiting for the end."""

import asyncio
import hashlib
from dataclasses import dataclass, field
from uuid import UUID

from agent_runtime_service.errors import ConversationElsewhere, KeyReused, TooManyRuns
from agent_runtime_service.execution.active import WAITING, ActiveRun, ActiveRuns, DrivenElsewhere, RunEnd
from agent_runtime_service.execution.driver import RunDriver
from agent_runtime_service.execution.repository import KeyTaken, NewRun, RunJournal
from agent_runtime_service.execution.retries import RetryPolicy
from agent_runtime_service.messages.conversation_lanes import ConversationLanes
from agent_runtime_service.messages.finder import AgentFinder, meant_agent, meant_lane
from agent_runtime_service.messages.images import digest_of
from agent_runtime_service.messages.places import Places
from agent_runtime_service.messages.schemas import MessageRequest
from agent_runtime_service.runs.repository import RunRepository, StoredRun
from kgents_shared.auth import Principal, Reference
from kgents_shared.contracts.instances import STABLE, InstanceRegistration
from kgents_shared.contracts.worker import Message, ToolDefinition
from kgents_shared.db import new_id
from kgents_shared.errors import InvalidInput, Unavailable

_POLL_S = 0.2
_LONGEST_WAIT_S = 3700.0


@dataclass(frozen=True, slots=True)
class Asker:
    """Who sends a message: whose run it will be, the subject who asked, and the agent and lane that they mean.

    `hops` are the agents whose questions led to it.
    """

    owner_id: str
    principal: str
    agent: Reference
    lane: str | None = None
    hops: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class RunTerms:
    """How long a run may take instead of its agent's own limit, and when it is tried again.

    `earlier` is what was said before, where a conversation is begun with it. `client_tools` are functions that the
    caller carries out. `asked` is what tells this request from others, where the message alone doesn't: the same one
    may be another message by the time that it is sent again.
    """

    deadline_s: int | None = None
    retry: RetryPolicy | None = None
    earlier: tuple[Message, ...] = ()
    client_tools: tuple[ToolDefinition, ...] = ()
    asked: str | None = None
    begins: UUID | None = field(default=None, repr=False)


AS_THE_AGENT_SAYS = RunTerms()


@dataclass(frozen=True, slots=True)
class Accepted:
    """A run that answers a message: driven here (`active`), or known from the database.

    `repeated` is one that was there before, under the same Idempotency-Key.
    """

    run_id: UUID
    conversation_id: UUID
    owner_id: str
    active: ActiveRun | None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """A run's end as its caller is told; `is_formed` is an answer whose text is JSON, since it was asked for so."""

    end: RunEnd
    usage: dict[str, object]
    is_formed: bool = False


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """How long a starting agent is waited for (seconds), and how many runs this front drives at once."""

    starting_wait_s: float
    max_active_runs: int


class MessageService:
    """Takes messages in and waits for what becomes of them."""

    def __init__(
        self,
        finder: AgentFinder,
        journal: RunJournal,
        driver: RunDriver,
        runs: ActiveRuns,
        stored: RunRepository,
        max_active_runs: int,
        places: Places,
    ) -> None:
        self._finder = finder
        self._journal = journal
        self._driver = driver
        self._runs = runs
        self._stored = stored
        self._max_active_runs = max_active_runs
        self._places = places
        self._lanes = ConversationLanes(journal)

    async def accept(
        self,
        principal: Principal,
        agent: str,
        body: MessageRequest,
        key: str | None,
        terms: RunTerms = AS_THE_AGENT_SAYS,
    ) -> Accepted:
        """Begin a run for somebody's message, or find the one that the key stands for."""
        name, asked = meant_lane(agent)
        asker = Asker(principal.owner_id, principal.subject, meant_agent(principal, name), asked)
        return await self.begin(asker, body, key, terms)

    async def begin(
        self, asker: Asker, body: MessageRequest, key: str | None, terms: RunTerms = AS_THE_AGENT_SAYS
    ) -> Accepted:
        """Begin a run for the message, or find the one that the key stands for."""
        owner_id, reference, asked = asker.owner_id, asker.agent, asker.lane
        request_hash = _hash(body, asked, terms) if key is not None else None
        conversation_id = body.conversation_id or terms.begins or new_id()
        if body.conversation_id is None:
            lane = asked or self._finder.lane_of_new(reference, conversation_id)
        else:
            lane = await self._lane_of(owner_id, conversation_id, asked)
        instance = await self._finder.ready_instance(reference, lane, asked=asked is not None)
        registration = instance.registration
        if len(self._runs) >= self._max_active_runs:
            raise TooManyRuns("The platform has all the runs that it may have right now; try again.")
        if body.images and registration.spec.runtime.shell == "Langflow":
            raise InvalidInput("A flow takes no images.", code="images_not_taken")
        if registration.spec.limits.requests_per_minute is not None:
            await self._places.count_message(registration)
        run = ActiveRun(
            run_id=new_id(),
            conversation_id=conversation_id,
            owner_id=owner_id,
            principal=asker.principal,
            agent_id=registration.agent_id,
            agent_name=registration.agent_name,
            version=registration.version,
            text=body.text,
            timeout_s=terms.deadline_s or registration.spec.limits.timeout_s,
            lane=lane if instance.serves(lane) else STABLE,
            shared_with=registration.owner_id if registration.spec.memory.shared else None,
            hops=asker.hops,
            retry=terms.retry,
            images=body.images,
            answer_schema=None if body.response_format is None else body.response_format.json_schema,
            client_tools=_taken(registration, terms.client_tools),
        )
        give_back = self._places.take(owner_id, body.conversation_id)
        try:
            await self._journal.begin(NewRun(run, body.conversation_id is None, key, request_hash, terms.earlier))
        except KeyTaken:
            give_back()
            return await self._earlier(run, key or "", request_hash)
        except BaseException:
            give_back()
            raise
        run.done.add_done_callback(lambda _: give_back())
        if body.conversation_id is None:
            self._lanes.note(owner_id, conversation_id, lane)
        self._driver.start(run)
        return Accepted(run.run_id, run.conversation_id, owner_id, run)

    async def _lane_of(self, owner_id: str, conversation_id: UUID, asked: str | None) -> str:
        """The lane that a conversation began in, which it keeps."""
        kept = await self._lanes.of(owner_id, conversation_id)
        if kept is not None and asked not in (None, kept):
            raise ConversationElsewhere(
                f'The conversation began with "{kept}" and stays there: leave "@{asked}" out, or begin another one.'
            )
        return kept or asked or STABLE

    async def _earlier(self, run: ActiveRun, key: str, request_hash: bytes | None) -> Accepted:
        earlier = await self._stored.by_key(run.owner_id, run.agent_id, key)
        if earlier is None:
            raise Unavailable("The run under this Idempotency-Key has just failed; try again.", code="run_failed")
        if earlier.request_hash != request_hash:
            raise KeyReused("This Idempotency-Key came with another request before; use a new one.")
        active = self._runs.get(earlier.run_id)
        return Accepted(earlier.run_id, earlier.conversation_id, run.owner_id, active, repeated=True)

    async def status_of(self, accepted: Accepted) -> str:
        """How a run stands that was accepted just now."""
        if accepted.active is not None:
            return "queued" if accepted.active.queued else "running"
        stored = await self._stored.find([accepted.owner_id], accepted.run_id)
        return "running" if stored is None else stored.status

    async def outcome(self, accepted: Accepted) -> Ended:
        """Wait for the end of the run, here or wherever it is driven."""
        run = accepted.active
        if run is not None:
            try:
                end = await asyncio.shield(run.done)
                return Ended(end, run.usage.as_json(), run.answer_schema is not None)
            except DrivenElsewhere:
                pass
        return await self._stored_outcome(accepted)

    async def _stored_outcome(self, accepted: Accepted) -> Ended:
        async with asyncio.timeout(_LONGEST_WAIT_S):
            while True:
                stored = await self._stored.find([accepted.owner_id], accepted.run_id)
                if stored is None:
                    raise Unavailable("The run was lost before it began; send the message again.", code="run_lost")
                if stored.ended_at is not None or stored.status == WAITING:
                    return _ended(stored)
                await asyncio.sleep(_POLL_S)


def _ended(stored: StoredRun) -> Ended:
    end = RunEnd(stored.status, stored.text or "", stored.fault, stored.final_seq, stored.approvals, stored.calls)
    return Ended(end, stored.usage or {}, stored.is_formed)


def _taken(registration: InstanceRegistration, tools: tuple[ToolDefinition, ...]) -> tuple[ToolDefinition, ...]:
    """The caller's functions; raises `InvalidInput` for an agent that takes none."""
    shell = registration.spec.runtime.shell
    if tools and shell != "Chat":
        raise InvalidInput(
            f"An agent of the shell {shell} takes no functions of its callers.", code="functions_not_taken"
        )
    return tools


def _hash(body: MessageRequest, asked: str | None, terms: RunTerms) -> bytes:
    if terms.asked is not None:
        return hashlib.sha256(terms.asked.encode("utf-8", "backslashreplace")).digest()
    where = f"{body.conversation_id or ''}" if asked is None else f"{body.conversation_id or ''}@{asked}"
    if terms != AS_THE_AGENT_SAYS:
        where = f"{where} {terms}"
    if body.images or body.response_format is not None:
        form = "" if body.response_format is None else body.response_format.model_dump_json()
        where = f"{where}{digest_of(body.images)}\n{form}"
    return hashlib.sha256(f"{where}\n{body.text}".encode()).digest()
