"""The runs that this front drives right now: what the door checks a worker's calls against."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from agent_runtime_service.execution.feed import Feed
from kgents_shared.contracts.agent_spec import ToolsSpec
from kgents_shared.contracts.instances import STABLE
from kgents_shared.contracts.worker import Message, ModelChoice, ToolCall, ToolDefinition
from kgents_shared.errors import ApiError
from kgents_shared.http.vault import CredentialUse

_TRANSCRIPT = TypeAdapter(list[Message])
WAITING: Final = "waiting_approval"


@dataclass(slots=True)
class Usage:
    """Tokens of a run so far; `estimated` where a provider didn't say."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    model_calls: int = 0
    estimated: bool = False

    def add(self, prompt_tokens: int, completion_tokens: int, *, estimated: bool) -> None:
        """Count one model call."""
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        self.model_calls += 1
        self.estimated = self.estimated or estimated

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> "Usage":
        """What `as_json` gave."""
        known = stored or {}
        return cls(**{name: known[name] for name in cls.__slots__ if name in known})

    def as_json(self) -> dict[str, Any]:
        """The shape on the wire and in `runs.usage`."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "model_calls": self.model_calls,
            "estimated": self.estimated,
        }


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a version lets its run do: pinned when an instance takes the run."""

    version: int
    owner_id: str  # the agent's: whose tools it calls, whoever talks to it
    model: ModelChoice
    credential: CredentialUse | None  # the agent's own at the model's provider; None means the platform's
    tools: tuple[ToolDefinition, ...]
    patterns: ToolsSpec
    max_steps: int
    wire: bytes  # the part of the worker's RunRequest that is the same for every run


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


class DrivenElsewhere(Exception):
    """Another front took the run over; its end is found in the database."""


@dataclass(slots=True, eq=False)
class ActiveRun:
    """One run under this front's lease. `lane` says which of the agent's versions answers (`instances.lanes`).

    `hops` are the agents whose questions led to it, the first one first.

    `transcript` is the JSON of its messages, joined by commas, the user's message last at first; `deadline` is on the
    event loop's clock. `done` gets a `RunEnd`, or `DrivenElsewhere`.
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
    hops: tuple[UUID, ...] = ()
    epoch: int = 1
    attempts: int = 1
    queued: bool = False
    next_seq: int = 0
    transcript: str = ""
    deadline: float = 0.0
    instance_id: UUID | None = None
    plan: RunPlan | None = None
    usage: Usage = field(default_factory=Usage)
    feed: Feed = field(default_factory=Feed)
    done: "asyncio.Future[RunEnd]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    waiting_calls: dict[str, ToolCall] = field(default_factory=dict[str, ToolCall])
    calls_under_way: set[tuple[int, str]] = field(default_factory=set[tuple[int, str]])  # epoch, tool call id
    stores_a_step: bool = False
    steps: int = 0
    model_fault: ApiError | None = None
    model_requests: int = 0
    door_calls: "set[asyncio.Task[Any]]" = field(default_factory=set[asyncio.Task[Any]])
    limit: asyncio.Timeout | None = None  # of the attempt that is under way
    suspension: RunEnd | None = None

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

    def close_door(self) -> None:
        """End what is under way at the door: the epoch is over, or the run is."""
        for task in self.door_calls:
            task.cancel()


def _messages(transcript: str) -> list[Message]:
    return _TRANSCRIPT.validate_json(f"[{transcript}]")


class ActiveRuns:
    """Active runs by id, and who waits for a conversation's turn."""

    def __init__(self) -> None:
        self._runs: dict[UUID, ActiveRun] = {}
        self._turns: dict[UUID, list[asyncio.Event]] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, run: ActiveRun) -> None:
        """Take a run in."""
        self._runs[run.run_id] = run

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
        self._runs.pop(run.run_id, None)
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
