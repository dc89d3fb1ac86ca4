"""The runs that this front drives right now: what the door checks a worker's calls against."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from agent_runtime_service.budgets.bounds import NO_BOUNDS, AgentBounds
from agent_runtime_service.execution.feed import Feed
from agent_runtime_service.execution.retries import RetryPolicy
from agent_runtime_service.gateway.choice import PlannedModel
from agent_runtime_service.prices.money import as_cost, parts_of
from kgents_shared.contracts.agent_spec import ToolsSpec
from kgents_shared.contracts.instances import STABLE
from kgents_shared.contracts.tools import MemoryUse, ToolPrice
from kgents_shared.contracts.worker import Image, Message, ModelChoice, ToolCall, ToolDefinition
from kgents_shared.errors import ApiError

if TYPE_CHECKING:
    from agent_runtime_service.execution.replay import Replay

_TRANSCRIPT = TypeAdapter(list[Message])
_COUNTED: Final = ("prompt_tokens", "completion_tokens", "model_calls", "estimated", "cached_calls")
_NO_PRICES: Final[Mapping[str, ToolPrice]] = {}
_AS_BY_DEFAULT: Final = MemoryUse()
WAITING: Final = "waiting_approval"
CANCELLED: Final = "cancelled"


@dataclass(slots=True)
class Usage:
    """Tokens and money of a run so far; `estimated` where a provider didn't say.

    `cost` is in parts (`prices.money`), None where the price of a model that was asked is not known; `tool_cost` is
    what of it calls of tools took. `cached_calls` are those that a kept answer served. `answered_by` is who gave the
    newest answer.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    model_calls: int = 0
    estimated: bool = False
    answered_by: ModelChoice | None = None
    cost: int | None = 0
    cached_calls: int = 0
    tool_cost: int = 0

    def add_tool(self, cost: int) -> None:
        """Count one call of a tool that has a price."""
        self.cost = None if self.cost is None else self.cost + cost
        self.tool_cost += cost

    def add(
        self, prompt_tokens: int, completion_tokens: int, *, estimated: bool, cost: int | None = 0, cached: bool = False
    ) -> None:
        """Count one model call."""
        self.cost = None if self.cost is None or cost is None else self.cost + cost
        self.cached_calls += cached
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        self.model_calls += 1
        self.estimated = self.estimated or estimated

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> "Usage":
        """What `as_json` gave."""
        known = stored or {}
        usage = cls(**{name: known[name] for name in _COUNTED if name in known})
        if "model" in known:
            usage.answered_by = ModelChoice(provider=known["provider"], model=known["model"])
        if "cost" in known:
            usage.cost = None if known["cost"] is None else parts_of(known["cost"]["amount"])
        if "tool_cost" in known:
            usage.tool_cost = parts_of(known["tool_cost"]["amount"])
        return usage

    def as_json(self) -> dict[str, Any]:
        """The shape on the wire and in `runs.usage`."""
        told = {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "model_calls": self.model_calls,
            "estimated": self.estimated,
            "cost": as_cost(self.cost),
            "cached": self.cached_calls == self.model_calls > 0,
            "cached_calls": self.cached_calls,
        } | ({} if (by := self.answered_by) is None else {"provider": by.provider, "model": by.model})
        return told | {"tool_cost": as_cost(self.tool_cost)} if self.tool_cost else told


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a version lets its run do: pinned when an instance takes the run."""

    version: int
    owner_id: str  # the agent's: whose tools it calls, whoever talks to it
    models: tuple[PlannedModel, ...]  # the one that answers, then its fallbacks
    tools: tuple[ToolDefinition, ...]
    patterns: ToolsSpec
    max_steps: int
    wire: bytes  # the part of the worker's RunRequest that is the same for every run
    bounds: AgentBounds = NO_BOUNDS  # what its definition allows in a day
    cache_s: int | None = None  # how long an answer may be given again
    memory: MemoryUse = _AS_BY_DEFAULT  # for its tools
    is_team: bool = False
    tool_prices: Mapping[str, ToolPrice] = field(default_factory=lambda: _NO_PRICES)


@dataclass(frozen=True, slots=True)
class RunFault:
    """Why a run failed, as it is stored and told. `retry_after_s` only where trying again may help."""

    code: str
    detail: str
    status: int
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class AwaitedApproval:
    """A tool call that waits for a person."""

    approval_id: UUID
    tool: str
    expires_at: datetime

    def as_json(self) -> dict[str, Any]:
        """The shape on the wire."""
        return {
            "approval_id": str(self.approval_id),
            "tool": self.tool,
            "expires_at": self.expires_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        }


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended: `completed` with its text, or `failed` or `cancelled` with the fault.

    Or that it is `waiting_approval` and so has ended here for now: somebody takes it up once that is decided.
    """

    status: str
    text: str = ""
    fault: RunFault | None = None
    final_seq: int | None = None
    approvals: tuple[AwaitedApproval, ...] = ()
    calls: tuple[ToolCall, ...] = ()  # of functions that who asked carries out


class DrivenElsewhere(Exception):
    """The run is no longer driven here; what becomes of it is found in the database."""


@dataclass(slots=True, eq=False)
class ActiveRun:
    """One run under this front's lease. `lane` says which of the agent's versions answers (`instances.lanes`).

    `hops` are the agents whose questions led to it, the first one first.

    `shared_with` is the owner of the agents whose conversations share what is remembered, where its agent's do.

    `transcript` is the JSON of its messages, joined by commas, the user's message last at first; it begins at the place
    `context_from`, and `remembered` is the JSON of what is known beside it. `deadline` is on the event loop's clock.
    `done` gets a `RunEnd`, or `DrivenElsewhere`.
    """

    run_id: UUID
    conversation_id: UUID
    owner_id: str
    principal: str
    agent_id: UUID
    agent_name: str
    version: int
    text: str
    timeout_s: int
    lane: str = STABLE
    shared_with: str | None = None
    hops: tuple[UUID, ...] = ()
    images: tuple[Image, ...] = ()
    answer_schema: dict[str, Any] | None = None
    client_tools: tuple[ToolDefinition, ...] = ()
    retry: RetryPolicy | None = None
    failed_tries: int = 0
    epoch: int = 1
    attempts: int = 1
    queued: bool = False
    next_seq: int = 0
    transcript: str = ""
    context_from: int = 1
    remembered: str | None = None
    deadline: float = 0.0
    instance_id: UUID | None = None
    plan: RunPlan | None = None
    replay: "Replay | None" = None  # what stands in for its tools, where it repeats another run
    usage: Usage = field(default_factory=Usage)
    feed: Feed = field(default_factory=Feed)
    done: "asyncio.Future[RunEnd]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    waiting_calls: dict[str, ToolCall] = field(default_factory=dict[str, ToolCall])
    calls_under_way: set[tuple[int, str]] = field(default_factory=set[tuple[int, str]])  # epoch, tool call id
    stores_a_step: bool = False
    steps: int = 0
    model_fault: ApiError | None = None
    model_requests: int = 0
    context_changes: int = 0
    paid_calls: set[str] = field(default_factory=set[str])  # of tools, by their ids, whose cost was counted here
    door_calls: "set[asyncio.Task[Any]]" = field(default_factory=set[asyncio.Task[Any]])
    limit: asyncio.Timeout | None = None  # of the attempt that is under way
    suspension: RunEnd | None = None
    task: "asyncio.Task[None] | None" = None  # what drives it

    @property
    def extras(self) -> dict[str, Any] | None:
        """What was asked for beside a text, as it is stored; None where that is nothing."""
        if not self.images and self.answer_schema is None and not self.client_tools:
            return None
        return {
            "images": [image.model_dump() for image in self.images],
            "answer_schema": self.answer_schema,
            "client_tools": [tool.model_dump() for tool in self.client_tools],
        }

    def time_left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - asyncio.get_running_loop().time()

    def restore(self, next_seq: int, transcript: str) -> None:
        """Take up what is stored, after a takeover: the transcript and the calls in it that have no result yet."""
        self.next_seq, self.transcript = next_seq, transcript
        self.waiting_calls = {}
        self.steps = 0
        messages = _messages(transcript)
        for message in reversed(messages):
            if message.role == "user":
                break
            self.steps += message.role == "assistant"
        answered: set[str | None] = set()
        for message in reversed(messages):
            if message.role != "tool":
                self.waiting_calls = {call.id: call for call in message.tool_calls if call.id not in answered}
                break
            answered.add(message.tool_call_id)

    def suspend(self, approvals: Sequence[AwaitedApproval]) -> None:
        """Stop driving: it is stored that the run waits, and its worker is let go at once."""
        self.suspension = RunEnd(WAITING, approvals=tuple(approvals))
        if self.limit is not None and not self.limit.expired():
            self.limit.reschedule(asyncio.get_running_loop().time())

    def cancel(self, end: RunEnd) -> None:
        """Stop driving: it is stored that the run is cancelled, and all that is under way for it ends at once."""
        self.suspension = end
        self.close_door()
        if self.task is not None:
            # After what it does first: a task that is cancelled before would never come to tidy up.
            asyncio.get_running_loop().call_soon(self.task.cancel)

    def close_door(self) -> None:
        """End what is under way at the door: the epoch is over, or the run is."""
        for task in self.door_calls:
            task.cancel()


def _messages(transcript: str) -> list[Message]:
    return _TRANSCRIPT.validate_json(f"[{transcript}]")


class ActiveRuns:
    """Active runs by id, and who waits for a conversation's turn."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()  # set when a run may have ended that another one waits for
        self._runs: dict[UUID, ActiveRun] = {}
        self._turns: dict[UUID, list[asyncio.Event]] = {}
        self.seen: dict[UUID, datetime] = {}  # agent → when its newest run came in, since that was last taken

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, run: ActiveRun) -> None:
        """Take a run in."""
        self._runs[run.run_id] = run
        self.seen[run.agent_id] = datetime.now(UTC)

    def take_seen(self) -> dict[UUID, datetime]:
        """What `seen` has, which is empty then."""
        taken, self.seen = self.seen, {}
        return taken

    def get(self, run_id: UUID) -> ActiveRun | None:
        """The active run of that id."""
        return self._runs.get(run_id)

    def ids(self) -> list[UUID]:
        """All ids."""
        return list(self._runs)

    def all(self) -> list[ActiveRun]:
        """All runs."""
        return list(self._runs.values())

    def remove(self, run: ActiveRun) -> None:
        """Let a run go and wake who waits for its conversation."""
        if self._runs.get(run.run_id) is run:  # another try of it may have begun already
            del self._runs[run.run_id]
        for turn in self._turns.get(run.conversation_id, ()):
            turn.set()

    async def wait_turn(self, conversation_id: UUID, at_most_s: float) -> None:
        """Return when a run of the conversation ended here, or after `at_most_s` seconds."""
        turn = asyncio.Event()
        waiting = self._turns.setdefault(conversation_id, [])
        waiting.append(turn)
        try:
            await asyncio.wait_for(turn.wait(), at_most_s)
        except TimeoutError:
            return
        finally:
            waiting.remove(turn)
            if not waiting:
                self._turns.pop(conversation_id, None)
