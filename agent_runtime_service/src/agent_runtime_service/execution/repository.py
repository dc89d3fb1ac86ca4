"""The journal of runs: the statements of the hot path and what their answers mean."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeVar
from uuid import UUID

import orjson
import psycopg
import structlog
from psycopg.errors import ForeignKeyViolation, UniqueViolation
from psycopg_pool import PoolTimeout

from agent_runtime_service.errors import ConversationNotFound, RunWaiting, StaleLease
from agent_runtime_service.execution import statements
from agent_runtime_service.execution.active import WAITING, ActiveRun, AwaitedApproval, RunEnd, Usage
from agent_runtime_service.execution.events import run_event
from agent_runtime_service.execution.retries import FailedTry
from agent_runtime_service.prices.money import parts_of
from kgents_shared.contracts.tools import ApprovalWait
from kgents_shared.contracts.worker import ContextChange, Image, Message, ToolCall
from kgents_shared.db import HotPool, new_id

_log = structlog.get_logger("kgents.runtime.journal")
ResultT = TypeVar("ResultT")
Turn = Literal["mine", "later", "waiting"]
# What a run may take after a wait, where its own time limit is not shorter.
LEAST_AFTER_WAITING_S = 30
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0


class KeyTaken(Exception):
    """The Idempotency-Key belongs to another run already."""


@dataclass(frozen=True, slots=True)
class NewRun:
    """What a message asks for. `key` and `request_hash` come together or not at all.

    `earlier` is what was said before a conversation that begins here, oldest first.
    """

    run: ActiveRun
    is_first: bool
    key: str | None
    request_hash: bytes | None
    earlier: tuple[Message, ...] = ()


class RunJournal:
    """Begins, appends to, and ends runs, as the lease's `holder`."""

    def __init__(self, pool: HotPool, holder: UUID, lease_s: float, patience_s: float) -> None:
        self._pool = pool
        self._holder = holder
        self._lease = timedelta(seconds=lease_s)
        self._patience_s = patience_s

    async def _row(self, statement: str, values: Mapping[str, Any]) -> Any:
        # Not `pool.connection()`: on connections in autocommit its two context managers do nothing but cost.
        connection = await self._pool.getconn()
        try:
            cursor = await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
            return await cursor.fetchone()
        finally:
            await self._pool.putconn(connection)

    async def begin(self, new: NewRun) -> None:
        """Store the run and, unless others are ahead of it, the user's message; fills the run's transcript.

        Raises `ConversationNotFound`, `RunWaiting`, `KeyTaken`.
        """
        values = self._values(new)
        if new.is_first:
            is_shared = new.run.shared_with is not None
            statement = statements.BEGIN_NEW_SHARED if is_shared else statements.BEGIN_NEW
            if new.earlier:
                statement, values = statements.BEGIN_TOLD, values | _told_before(new)
            row = await self._row(statement, values)
            if row is None:
                raise KeyTaken
            self._started(
                new.run, row[0] + 1, ",".join(values["payloads"][: len(new.earlier)]) if new.earlier else None
            )
            new.run.remembered = row[1]
            return
        while True:
            row = await self._begin_next(values)
            if row is None:
                raise ConversationNotFound("There is no such conversation with this agent.")
            waiting, status, seq, messages, *remembered = row
            if waiting:
                if new.key is not None and await self._key_is_taken(new.run, new.key):
                    raise KeyTaken
                raise await self.run_waiting(new.run.conversation_id)
            if status == "running":
                self._started(new.run, seq + 1, messages)
                new.run.context_from, new.run.remembered = remembered
                return
            if status == "queued":
                new.run.queued = True
                return
            if new.key is not None and await self._key_is_taken(new.run, new.key):
                raise KeyTaken
            # Another run became active between this statement's snapshot and its insert: look again.

    async def _begin_next(self, values: Mapping[str, Any]) -> Any:
        while True:
            try:
                return await self._row(statements.BEGIN_NEXT, values)
            except UniqueViolation:
                # The place in the transcript was taken meanwhile: the snapshot was old.
                continue
            except ForeignKeyViolation:
                return None  # the conversation was deleted meanwhile

    async def _key_is_taken(self, run: ActiveRun, key: str) -> bool:
        values = {"owner_id": run.owner_id, "agent_id": run.agent_id, "key": key}
        return await self._row(statements.KEY_TAKEN, values) is not None

    def _values(self, new: NewRun) -> dict[str, Any]:
        run = new.run
        return {
            "run_id": run.run_id,
            "conversation_id": run.conversation_id,
            "owner_id": run.owner_id,
            "principal": run.principal,
            "agent_id": run.agent_id,
            "agent_name": run.agent_name,
            "version": run.version,
            "lane": run.lane,
            "shared_with": run.shared_with,
            "holder": self._holder,
            "lease": self._lease,
            "text": run.text,
            "timeout_s": run.timeout_s,
            "key": new.key,
            "hash": new.request_hash,
            "hops": list(run.hops),
            "retry": None if run.retry is None else orjson.dumps(run.retry.as_json()).decode(),
            "extras": None if (extras := run.extras) is None else orjson.dumps(extras).decode(),
            "payload": user_payload(run.text, run.images),
        }

    @staticmethod
    def _started(run: ActiveRun, next_seq: int, messages: str | None) -> None:
        mine = user_payload(run.text, run.images) if run.text else None
        run.queued = False
        run.next_seq = next_seq
        run.transcript = ",".join(part for part in (messages, mine) if part)
        run.deadline = asyncio.get_running_loop().time() + run.timeout_s

    async def lane_of(self, owner_id: str, conversation_id: UUID) -> str | None:
        """The lane of one of the owner's conversations; None where there is no such one."""
        row = await self._row(statements.LANE, {"owner_id": owner_id, "conversation_id": conversation_id})
        return None if row is None else row[0]

    async def run_waiting(self, conversation_id: UUID) -> RunWaiting:
        """What somebody is told who has to do with a conversation that waits for a person."""
        return run_waiting(await self.awaited_in(conversation_id))

    async def awaited_in(self, conversation_id: UUID) -> list[AwaitedApproval]:
        """What the conversation's run waits for; nothing where none does."""
        rows = await self._rows(statements.AWAITED_IN_CONVERSATION, {"conversation_id": conversation_id})
        return [AwaitedApproval(*row) for row in rows]

    async def promote(self, run: ActiveRun) -> Turn:
        """Start a queued run if it is its turn; otherwise say whether it comes `later`, or behind one that waits."""
        values = {
            "run_id": run.run_id,
            "conversation_id": run.conversation_id,
            "epoch": run.epoch,
            "payload": user_payload(run.text, run.images),
        }
        try:
            row = await self._row(statements.PROMOTE, values)
        except UniqueViolation:
            return "later"
        if row is None or row[0] is None:
            return "waiting" if row is not None and row[2] == WAITING else "later"
        self._started(run, row[0] + 1, row[1])
        run.context_from, run.remembered = row[3:]
        return "mine"

    async def append_assistant(self, run: ActiveRun, payload: str) -> int:
        """Store an assistant message with tool calls; its place. Raises `StaleLease`."""
        return await self._append(run, statements.APPEND, {"payload": payload})

    async def complete_tool(self, run: ActiveRun, tool_call_id: str, state: str, payload: str) -> int:
        """Store a call's result together with the step that tells of it; its place. Raises `StaleLease`."""
        values = {"payload": payload, "tool_call_id": tool_call_id, "state": state}
        return await self._append(run, statements.COMPLETE_TOOL, values)

    async def _append(self, run: ActiveRun, statement: str, values: Mapping[str, Any]) -> int:
        seq = run.next_seq
        run.next_seq += 1
        fenced = {**values, "run_id": run.run_id, "epoch": run.epoch, "seq": seq}

        async def append() -> int:
            try:
                row = await self._row(statement, fenced)
            except UniqueViolation as error:
                # Ours already, if the answer to an earlier try was lost; else somebody took the place.
                if await self._row(statements.IS_MINE, {**fenced, "conversation_id": run.conversation_id}) is None:
                    raise StaleLease from error
                return seq
            if row is None:
                raise StaleLease
            return seq

        return await self.patiently(append)

    async def change_context(self, run: ActiveRun, change: ContextChange) -> None:
        """Store what the model is shown no longer, unless the context was reset meanwhile. Raises `StaleLease`."""
        values = change.model_dump() | {
            "run_id": run.run_id, "epoch": run.epoch, "context_from": run.context_from, "change_id": new_id(),
        }  # fmt: skip
        row = await self.patiently(lambda: self._row(statements.CHANGE_CONTEXT, values))
        if row is None:
            raise StaleLease
        if row[1] is not None:
            run.context_from = row[1]

    async def dispatch_tool(self, run: ActiveRun, call: Mapping[str, Any]) -> tuple[str, str | None, UUID | None, bool]:
        """Store that a call goes out; its state, its stored result, the run that it waited for, and whether it went
        out before and never waited.

        Raises `StaleLease`.
        """
        values = {**call, "run_id": run.run_id, "epoch": run.epoch}
        row = await self.patiently(lambda: self._row(statements.DISPATCH_TOOL, values))
        if row is None:
            raise StaleLease
        return row[0], row[1], row[2], row[3]

    async def suspend(
        self, run: ActiveRun, tool_call_id: str, approval: ApprovalWait | None, awaited_run: UUID | None
    ) -> list[AwaitedApproval]:
        """Store that the run waits, under no lease, for this approval or for another agent's run that waits.

        All the approvals that it waits for. Raises `StaleLease`.
        """
        values = _told(run, RunEnd(WAITING)) | {
            "tool_call_id": tool_call_id,
            "approval_id": None if approval is None else approval.approval_id,
            "expires_at": None if approval is None else approval.expires_at,
            "awaited_run_id": awaited_run,
        }

        async def store() -> None:
            if await self._row(statements.SUSPEND, values) is None:
                row = await self._row(statements.STATUS, values)
                if row is None or row != (WAITING, run.epoch + 1):
                    raise StaleLease

        await self.patiently(store)
        return await self.patiently(lambda: self.awaited_in(run.conversation_id))

    async def end(self, run: ActiveRun, end: RunEnd) -> None:
        """Store the end of a run with its event. Raises `StaleLease`; waits for an absent database for a while."""
        values = _told(run, end)
        if end.fault is None:
            statement = statements.COMPLETE
            values |= {"seq": run.next_seq, "payload": assistant_payload(end.text, end.calls)}
        else:
            statement = statements.FAIL
            fault = {"code": end.fault.code, "detail": end.fault.detail, "status": end.fault.status}
            values |= {"status": end.status, "error": orjson.dumps(fault).decode()}

        async def store() -> None:
            if await self._row(statement, values) is None:
                # An earlier try may have been committed although its answer was lost.
                row = await self._row(statements.STATUS, values)
                if row is None or row != (end.status, run.epoch):
                    raise StaleLease

        await self.patiently(store)

    async def try_again(self, run: ActiveRun, failed: FailedTry) -> bool:
        """Store that this try failed and that another one follows; False where none may."""
        values = {
            "run_id": run.run_id,
            "epoch": run.epoch,
            "version": run.version,
            "usage": orjson.dumps(run.usage.as_json()).decode(),
            "pause": failed.next_at - failed.failed_at,
            "told": orjson.dumps([failed.as_json()]).decode(),
        }
        return await self.patiently(lambda: self._row(statements.TRY_AGAIN, values)) is not None

    async def note_spent(self, run: ActiveRun) -> None:
        """Store what a run that was cancelled had spent, and by which version."""
        usage = orjson.dumps(run.usage.as_json()).decode()
        await self._row_less(statements.SPENT_IN_VAIN, {"run_id": run.run_id, "version": run.version, "usage": usage})

    async def take_over(self, run: ActiveRun) -> None:
        """Give the run a new epoch and read its transcript again. Raises `StaleLease`."""
        values = {"run_id": run.run_id, "epoch": run.epoch}
        row = await self.patiently(lambda: self._row(statements.TAKE_OVER, values))
        if row is None:
            raise StaleLease
        run.epoch, run.attempts = row
        await self.read_transcript(run)

    async def read_transcript(self, run: ActiveRun) -> None:
        """Fill in what is stored of the conversation."""
        values = {"conversation_id": run.conversation_id}
        row = await self.patiently(lambda: self._row(statements.TRANSCRIPT, values))
        run.restore(row[0], row[1] or "")
        run.context_from, run.remembered = row[2:]

    async def read_usage(self, run: ActiveRun) -> None:
        """Fill in what earlier attempts spent."""
        row = await self.patiently(lambda: self._row(statements.SPENT, {"run_id": run.run_id}))
        run.usage = Usage(
            prompt_tokens=row[0], completion_tokens=row[1], estimated=row[2], model_calls=row[3],
            cost=None if row[4] is None else parts_of(row[4]), cached_calls=row[5], tool_cost=parts_of(row[6]),
        )  # fmt: skip

    async def renew(self, run_ids: list[UUID]) -> None:
        """Prolong the leases of these runs."""
        await self._row_less(statements.RENEW, {"run_ids": run_ids, "holder": self._holder, "lease": self._lease})

    async def release(self, run_ids: list[UUID]) -> None:
        """Let the leases of these runs end now, so that another front takes them at once."""
        await self._row_less(statements.RELEASE, {"run_ids": run_ids, "holder": self._holder})

    async def adopt(self, mine: list[UUID]) -> list[tuple[Any, ...]]:
        """Runs whose lease ran out, now this holder's; `mine` are left alone."""
        values = {"holder": self._holder, "lease": self._lease, "mine": mine}
        return await self._rows(statements.ADOPT, values)

    async def resume(self, approval_id: UUID) -> tuple[Any, ...] | None:
        """The run that waits for this approval, now this holder's; None where none does any more."""
        values = {
            "approval_id": approval_id, "holder": self._holder, "lease": self._lease, "least_s": LEAST_AFTER_WAITING_S,
        }  # fmt: skip
        return await self._row(statements.RESUME, values)

    async def resume_askers(self) -> list[tuple[Any, ...]]:
        """Some of the runs that waited for another agent's run, which has ended; now this holder's."""
        values = {"holder": self._holder, "lease": self._lease, "least_s": LEAST_AFTER_WAITING_S}
        return await self._rows(statements.RESUME_ASKERS, values)

    async def awaited(self, after: UUID) -> list[UUID]:
        """Some of the approvals that runs wait for, those that come after this one."""
        return [row[0] for row in await self._rows(statements.AWAITED, {"after": after})]

    async def left_waiting(self) -> list[UUID]:
        """Some of the runs that ended although they had approvals that nobody used."""
        return [row[0] for row in await self._rows(statements.LEFT_WAITING, {})]

    async def forget_left(self, run_id: UUID) -> None:
        """The approvals of such a run are cancelled."""
        await self._row_less(statements.LEFT, {"run_id": run_id})

    async def _rows(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
            return await cursor.fetchall()

    async def _row_less(self, statement: str, values: Mapping[str, Any]) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants

    async def patiently(self, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Do `work`, again and again while the database is away, for at most the patience; then its error."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience_s
        pause = _FIRST_PAUSE_S
        while True:
            try:
                return await work()
            except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
                if loop.time() + pause > until:
                    raise
                _log.warning("database_away", error=repr(error), again_in_s=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)


def run_waiting(awaited: list[AwaitedApproval]) -> RunWaiting:
    """The refusal, with what to do."""
    what = "Its approval is decided, and the run goes on in a moment: try again."
    if awaited:
        tools = ", ".join(sorted({approval.tool for approval in awaited}))
        what = (
            f"It wants to call {tools}: decide with POST /api/v1/approvals/{awaited[0].approval_id}/decide or "
            f"`kgents approvals approve {awaited[0].approval_id}`, or begin another conversation."
        )
    extra = {"approvals": [approval.as_json() for approval in awaited]}
    return RunWaiting(f"A run of this conversation waits for an approval. {what}", extra=extra)


def _told_before(new: NewRun) -> dict[str, Any]:
    """What was said before and, last, what the user says now, unless that is nothing; `earlier` is how much of it is
    no run's."""
    payloads = [orjson.dumps(one.model_dump(mode="json", exclude_defaults=True)).decode() for one in new.earlier]
    kinds: list[str] = [one.role for one in new.earlier]
    if new.run.text:
        kinds.append("user")
        payloads.append(user_payload(new.run.text, new.run.images))
    return {"kinds": kinds, "payloads": payloads, "earlier": len(new.earlier)}


def user_payload(text: str, images: tuple[Image, ...] = ()) -> str:
    """A user's message as the JSON of a contract `Message`."""
    message: dict[str, Any] = {"role": "user", "text": text}
    if images:
        message["images"] = [image.model_dump() for image in images]
    return orjson.dumps(message).decode()


def assistant_payload(text: str, calls: tuple[ToolCall, ...] = ()) -> str:
    """The agent's answer as the JSON of a contract `Message`."""
    message: dict[str, Any] = {"role": "assistant", "text": text}
    if calls:
        message["tool_calls"] = [call.model_dump() for call in calls]
    return orjson.dumps(message).decode()


def _told(run: ActiveRun, end: RunEnd) -> dict[str, Any]:
    """What is stored of a run that this front drives no longer, with the event that tells of it."""
    event_id = new_id()
    return {
        "run_id": run.run_id,
        "epoch": run.epoch,
        "version": run.version,
        "usage": orjson.dumps(run.usage.as_json()).decode(),
        "event_id": event_id,
        "subject": f"kgents.runtime.run.{end.status}",
        "event": run_event(event_id, run, end),
    }
