"""Runs as tasks of the protocol, and our errors as its own."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from a2a.helpers.proto_helpers import new_text_artifact, new_text_message
from a2a.types.a2a_pb2 import (
    Artifact,
    Message,
    Part,
    Role,
    Task,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)
from a2a.utils.errors import A2AError, InternalError, InvalidParamsError, TaskNotFoundError
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct

from agent_runtime_service.a2a_protocol.stored import StoredTask
from agent_runtime_service.execution.active import WAITING, AwaitedApproval
from kgents_shared.errors import ApiError, FaultItem

_ANSWER: Final = "answer"
# What the Idempotency-Key of a client's message begins with; the message's id follows.
KEYS: Final = "a2a:"
STATES: Final = {
    "queued": TaskState.TASK_STATE_SUBMITTED,
    "running": TaskState.TASK_STATE_WORKING,
    WAITING: TaskState.TASK_STATE_AUTH_REQUIRED,
    "completed": TaskState.TASK_STATE_COMPLETED,
    "failed": TaskState.TASK_STATE_FAILED,
    "cancelled": TaskState.TASK_STATE_CANCELED,
}


class TaskTeller:
    """Tells of one run: the task's id is the run's, the context's is the conversation's."""

    def __init__(self, run_id: UUID, conversation_id: UUID) -> None:
        self.task_id = str(run_id)
        self.context_id = str(conversation_id)

    def task(
        self,
        state: str,
        *,
        text: str | None = None,
        note: str | None = None,
        asked: Message | None = None,
        since: datetime | None = None,
    ) -> Task:
        """The whole task: its state, which it has since now or then, its answer, the message that it answers."""
        return Task(
            id=self.task_id,
            context_id=self.context_id,
            status=self._status(state, note, since),
            artifacts=[] if text is None else [new_text_artifact(_ANSWER, text, artifact_id=_ANSWER)],
            history=[] if asked is None else [self._mine(asked)],
        )

    def status(self, state: str, note: str | None = None) -> TaskStatusUpdateEvent:
        """A change of its state, or a word on the way."""
        return TaskStatusUpdateEvent(task_id=self.task_id, context_id=self.context_id, status=self._status(state, note))

    def piece(self, text: str, *, append: bool, last: bool = False) -> TaskArtifactUpdateEvent:
        """A piece of the answer; one that isn't appended replaces what was said of it."""
        artifact: Artifact = new_text_artifact(_ANSWER, text, artifact_id=_ANSWER)
        return TaskArtifactUpdateEvent(
            task_id=self.task_id, context_id=self.context_id, artifact=artifact, append=append, last_chunk=last
        )

    def _status(self, state: str, note: str | None, since: datetime | None = None) -> TaskStatus:
        message = None if note is None else new_text_message(note, context_id=self.context_id, task_id=self.task_id)
        return TaskStatus(state=STATES[state], message=message, timestamp=since or datetime.now(UTC))

    def _mine(self, asked: Message) -> Message:
        copy = Message()
        copy.CopyFrom(asked)
        copy.task_id, copy.context_id = self.task_id, self.context_id
        return copy


def stored_task(stored: StoredTask) -> Task:
    """A run as it is stored; what was asked has the id that its client gave it, where that is known."""
    note = awaited_note(stored.approvals) if stored.approvals else stored.fault
    asked = None
    if stored.question is not None:
        kept = stored.key or ""
        message_id = kept.removeprefix(KEYS) if kept.startswith(KEYS) else str(stored.run_id)
        asked = Message(message_id=message_id, role=Role.ROLE_USER, parts=[Part(text=stored.question)])
    teller = TaskTeller(stored.run_id, stored.conversation_id)
    return teller.task(stored.status, text=stored.answer, note=note, asked=asked, since=stored.since)


def awaited_note(approvals: Sequence[AwaitedApproval]) -> str:
    """What a run waits for, as a sentence for who reads the task."""
    tools = ", ".join(sorted({approval.tool for approval in approvals}))
    ids = ", ".join(str(approval.approval_id) for approval in approvals)
    return f"The agent wants to call {tools}: somebody has to decide at POST /api/v1/approvals/{{id}}/decide ({ids})."


def as_a2a(error: ApiError) -> A2AError:
    """A refusal in the protocol's terms; `data` has our code, and the status that it would have over HTTP."""
    data = {"code": error.code, "status": error.status, **error.extra}
    if (after := error.headers.get("Retry-After")) is not None:
        data["retry_after_s"] = int(after)
    kind: type[A2AError] = InternalError if error.status >= 409 and error.status != 422 else InvalidParamsError
    if error.code == "run_not_found":
        kind = TaskNotFoundError
    return kind(f"{error.detail}{_first(error.errors)}", data)


def metadata(fields: dict[str, Any]) -> Struct:
    """Fields beside what the protocol has."""
    return ParseDict(fields, Struct())


def _first(faults: Sequence[FaultItem]) -> str:
    return f" {'.'.join(map(str, faults[0].loc))} {faults[0].msg}" if faults else ""
