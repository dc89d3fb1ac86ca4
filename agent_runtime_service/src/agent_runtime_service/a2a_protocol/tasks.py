"""The protocol's operations on an agent's tasks."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC
from typing import Final, cast
from uuid import UUID

import structlog
from a2a.server.context import ServerCallContext
from a2a.server.events import Event
from a2a.server.request_handlers.request_handler import RequestHandler, validate_request_params
from a2a.types.a2a_pb2 import (
    AgentCard,
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetExtendedAgentCardRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTaskPushNotificationConfigsResponse,
    ListTasksRequest,
    ListTasksResponse,
    Message,
    SendMessageRequest,
    SubscribeToTaskRequest,
    Task,
    TaskPushNotificationConfig,
)
from a2a.utils.constants import DEFAULT_LIST_TASKS_PAGE_SIZE
from a2a.utils.errors import (
    A2AError,
    ExtendedAgentCardNotConfiguredError,
    InternalError,
    InvalidParamsError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
)
from a2a.utils.task import apply_history_length, validate_history_length, validate_page_size

from agent_runtime_service.a2a_protocol.calls import CALL, Call
from agent_runtime_service.a2a_protocol.contents import body_of
from agent_runtime_service.a2a_protocol.parts import TaskParts
from agent_runtime_service.a2a_protocol.progress import Progress
from agent_runtime_service.a2a_protocol.push_configs import config_of, push_of
from agent_runtime_service.a2a_protocol.push_rows import Push
from agent_runtime_service.a2a_protocol.stored import StoredTask, TasksWanted
from agent_runtime_service.a2a_protocol.telling import KEYS, STATES, TaskTeller, as_a2a, awaited_note, stored_task
from agent_runtime_service.execution.active import WAITING
from agent_runtime_service.messages.following import follow
from agent_runtime_service.messages.service import Accepted, Ended
from kgents_shared.db import new_id
from kgents_shared.errors import ApiError

_log = structlog.get_logger("kgents.runtime.a2a")
_READS: Final = "runs:read"
_OPEN: Final = ("queued", "running", WAITING)
# Whoever was let in may not be for ever: they come back, and are asked who they are.
_LONGEST_WAIT_S: Final = 600
_LOOK_EVERY_S: Final = 0.5
_STATUSES: Final = {state: status for status, state in STATES.items()}


class AgentTasks(RequestHandler):
    """Runs of the caller's as tasks. Every one of these refuses with an `A2AError` and nothing else."""

    def __init__(self, parts: TaskParts) -> None:
        self._parts = parts

    @validate_request_params
    async def on_message_send(self, params: SendMessageRequest, context: ServerCallContext) -> Task | Message:
        """Begin a run, and answer with its end, or at once where the client wants it so."""
        async with _told():
            accepted = await self._accepted(params, context)
            teller = TaskTeller(accepted.run_id, accepted.conversation_id)
            if params.configuration.return_immediately:
                return teller.task("running", asked=params.message)
            return _ended_task(teller, await self._parts.messages.outcome(accepted), params.message)

    @validate_request_params
    async def on_message_send_stream(
        self, params: SendMessageRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event]:
        """Begin a run, and tell of it as it goes on."""
        async with _told():
            accepted = await self._accepted(params, context)
        async for event in self._followed(accepted, params.message):
            yield event

    @validate_request_params
    async def on_subscribe_to_task(
        self, params: SubscribeToTaskRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event]:
        """Tell of a run that was begun before, from now on; one that waits for a person goes on when they decided."""
        async with _told():
            call = _allowed(context, _READS)
            stored = await self._stored(params.id, call)
            if stored.status not in _OPEN:
                raise UnsupportedOperationError(f"The task is {stored.status}: nothing goes on that could be told of.")
        if stored.status == WAITING:
            yield stored_task(stored)
            if not await self._is_decided(stored, call):
                return
        active = self._parts.active.get(stored.run_id)
        owner_id = call.principal.owner_id if active is None else active.owner_id
        accepted = Accepted(stored.run_id, stored.conversation_id, owner_id, active)
        async for event in self._followed(accepted, None):
            yield event

    async def _is_decided(self, stored: StoredTask, call: Call) -> bool:
        """Wait until the run goes on; False where it doesn't for so long that its client has to come back."""
        try:
            async with asyncio.timeout(_LONGEST_WAIT_S):
                while not self._parts.ending.is_set():
                    await asyncio.sleep(_LOOK_EVERY_S)
                    now = await self._parts.tasks.find(call.principal.owner_ids, stored.run_id)
                    if now is None or now.status != WAITING:
                        return now is not None
        except TimeoutError:
            pass
        return False

    @validate_request_params
    async def on_get_task(self, params: GetTaskRequest, context: ServerCallContext) -> Task | None:
        """One run of the caller's."""
        async with _told():
            validate_history_length(params)
            task = stored_task(await self._stored(params.id, _allowed(context, _READS)))
            return apply_history_length(task, params)

    @validate_request_params
    async def on_list_tasks(self, params: ListTasksRequest, context: ServerCallContext) -> ListTasksResponse:
        """The agent's runs that are the caller's."""
        async with _told():
            call = _allowed(context, _READS)
            validate_history_length(params)
            if params.HasField("page_size"):
                validate_page_size(params.page_size)
            size = params.page_size or DEFAULT_LIST_TASKS_PAGE_SIZE
            wanted = _wanted(params, call.agent_id)
            if wanted is None:
                return ListTasksResponse(page_size=size)
            page = await self._parts.tasks.page(call.principal.owner_ids, wanted, size, params.page_token)
            tasks = [stored_task(stored) for stored in page.tasks]
            return ListTasksResponse(
                tasks=tasks, next_page_token=page.next_token, page_size=size, total_size=page.total
            )

    @validate_request_params
    async def on_cancel_task(self, params: CancelTaskRequest, context: ServerCallContext) -> Task | None:
        """Cancel a run."""
        async with _told():
            call = _allowed(context, "runs:write")
            stored = await self._stored(params.id, call)
            if not await self._parts.cancel(call.principal.owner_ids, stored.run_id):
                raise TaskNotCancelableError(f"The task is {stored.status} already.")
            return stored_task(await self._stored(params.id, call))

    async def _accepted(self, params: SendMessageRequest, context: ServerCallContext) -> Accepted:
        call, message = _call(context), params.message
        push = None
        if params.configuration.HasField("task_push_notification_config"):
            # Refused before anything is begun.
            config, owner_id = params.configuration.task_push_notification_config, call.principal.owner_id
            push = push_of(config, new_id(), owner_id, is_old=_is_old(context))
            await self._parts.pushes.check(push)
        if message.task_id:
            task = await self._stored(message.task_id, call)
            raise UnsupportedOperationError(
                f"The task is {task.status} and takes no further message: send it in the task's context, "
                "without the task's id."
            )
        body = body_of(message, _context(message.context_id))
        accepted = await self._parts.messages.accept(call.principal, call.agent, body, _key(message.message_id))
        if push is not None:
            named = push.id if params.configuration.task_push_notification_config.id else str(accepted.run_id)
            await self._parts.pushes.keep(replace(push, run_id=accepted.run_id, id=named), accepted.active)
        return accepted

    async def _stored(self, task_id: str, call: Call) -> StoredTask:
        try:
            found = await self._parts.tasks.find(call.principal.owner_ids, UUID(task_id))
        except ValueError:
            found = None
        if found is None:
            raise TaskNotFoundError("There is no such task.")
        return found

    async def _followed(self, accepted: Accepted, asked: Message | None) -> AsyncGenerator[Event]:
        listener = accepted.active.feed.listen() if accepted.active is not None else None
        teller = TaskTeller(accepted.run_id, accepted.conversation_id)
        progress = Progress(teller)
        yield teller.task("running", asked=asked)
        try:
            async for event in follow(self._parts.messages, accepted, listener):
                if event is None:
                    continue
                for told in progress.ended(event) if isinstance(event, Ended) else progress.heard(event):
                    yield told
        except ApiError as error:
            state = "cancelled" if error.code == "cancelled" else "failed"
            yield teller.status(state, error.detail)

    @validate_request_params
    async def on_create_task_push_notification_config(
        self, params: TaskPushNotificationConfig, context: ServerCallContext
    ) -> TaskPushNotificationConfig:
        """Have a task told of at an address."""
        async with _told():
            call = _allowed(context, "runs:write")
            stored = await self._stored(params.task_id, call)
            push = push_of(params, stored.run_id, call.principal.owner_id, is_old=_is_old(context))
            await self._parts.pushes.check(push)
            await self._parts.pushes.keep(push, self._parts.active.get(stored.run_id))
            return config_of(push)

    @validate_request_params
    async def on_get_task_push_notification_config(
        self, params: GetTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> TaskPushNotificationConfig:
        """One of the addresses; the first one where none is named."""
        async with _told():
            for push in await self._pushes(params.task_id, context):
                if params.id in ("", push.id):
                    return config_of(push)
            raise TaskNotFoundError("The task has no such push notification.")

    @validate_request_params
    async def on_list_task_push_notification_configs(
        self, params: ListTaskPushNotificationConfigsRequest, context: ServerCallContext
    ) -> ListTaskPushNotificationConfigsResponse:
        """All of them: they are few."""
        async with _told():
            configs = [config_of(push) for push in await self._pushes(params.task_id, context)]
            return ListTaskPushNotificationConfigsResponse(configs=configs)

    @validate_request_params
    async def on_delete_task_push_notification_config(
        self, params: DeleteTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> None:
        """Have it told of there no more."""
        async with _told():
            call = _allowed(context, "runs:write")
            stored = await self._stored(params.task_id, call)
            await self._parts.pushes.rows.drop(call.principal.owner_ids, stored.run_id, params.id)

    async def _pushes(self, task_id: str, context: ServerCallContext) -> list[Push]:
        call = _allowed(context, _READS)
        stored = await self._stored(task_id, call)
        return await self._parts.pushes.rows.of(call.principal.owner_ids, stored.run_id)

    async def on_get_extended_agent_card(
        self, params: GetExtendedAgentCardRequest, context: ServerCallContext
    ) -> AgentCard:
        """Not offered: a card says the same to everybody who may read it."""
        raise ExtendedAgentCardNotConfiguredError


@asynccontextmanager
async def _told() -> AsyncGenerator[None]:
    try:
        yield
    except ApiError as error:
        raise as_a2a(error) from error
    except A2AError:
        raise
    except Exception as error:
        _log.exception("a2a_broken")
        raise InternalError("Something failed inside; the log has it.") from error


def _call(context: ServerCallContext) -> Call:
    return cast("Call", context.state[CALL])


def _allowed(context: ServerCallContext, scope: str) -> Call:
    call = _call(context)
    if scope not in call.principal.scopes:
        raise InvalidParamsError(f"This needs the scope {scope}, which the token doesn't have.")
    return call


def _is_old(context: ServerCallContext) -> bool:
    """Whether it is of the protocol's version 0.3, whose methods have other names."""
    return "/" in str(context.state.get("method", ""))


def _wanted(params: ListTasksRequest, agent_id: UUID) -> TasksWanted | None:
    """What a list is asked for; None for tasks that can't be."""
    status = _STATUSES.get(params.status)
    if params.status and status is None:
        return None
    try:
        context_id = UUID(params.context_id) if params.context_id else None
    except ValueError:
        return None
    since = None
    if params.HasField("status_timestamp_after"):
        since = params.status_timestamp_after.ToDatetime(UTC)
    return TasksWanted(
        agent_id, context_id, status, since,
        with_questions=params.history_length > 0, with_answers=params.include_artifacts,
    )  # fmt: skip


def _context(context_id: str) -> UUID | None:
    try:
        return UUID(context_id) if context_id else None
    except ValueError:
        raise InvalidParamsError("There is no such context: leave it out to begin one.") from None


def _key(message_id: str) -> str | None:
    """A message's id is a client's own; one that looks like nobody else's makes a repeated message one run."""
    try:
        return f"{KEYS}{UUID(message_id)}"
    except ValueError:
        return None


def _ended_task(teller: TaskTeller, ended: Ended, asked: Message) -> Task:
    end = ended.end
    if end.status == WAITING:
        return teller.task(end.status, note=awaited_note(end.approvals), asked=asked)
    if end.fault is not None:
        return teller.task(end.status, note=end.fault.detail, asked=asked)
    return teller.task(end.status, text=end.text, asked=asked)
