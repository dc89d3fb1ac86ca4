"""One question to an agent elsewhere by the A2A SDK's client: its card, its answer in pieces, its task's end."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from types import TracebackType
from typing import Final, Self

import aiohttp
import httpx
import structlog
from a2a.client import A2ACardResolver, Client, ClientConfig, ClientFactory
from a2a.client.errors import A2AClientError, A2AClientTimeoutError, AgentCardResolutionError
from a2a.helpers.proto_helpers import get_artifact_text, get_message_text, new_text_message
from a2a.types.a2a_pb2 import (
    AgentCard,
    Artifact,
    CancelTaskRequest,
    Role,
    SendMessageRequest,
    StreamResponse,
    Task,
    TaskState,
    TaskStatus,
)
from a2a.utils.errors import A2AError

from agent_runtime_service.remote import faults
from agent_runtime_service.remote.contexts import FarContext
from agent_runtime_service.remote.transport import CheckedTransport, LeadsElsewhere, origin_of
from kgents_shared.errors import ApiError
from kgents_shared.http.addresses import AddressNotPublic, AddressPolicy

_log = structlog.get_logger("kgents.runtime.remote")
_WELL_KNOWN: Final = ".well-known/agent-card.json"
_CANCEL_S: Final = 3.0
_BETWEEN: Final = "\n\n"
_FAILED: Final = {TaskState.TASK_STATE_FAILED, TaskState.TASK_STATE_REJECTED, TaskState.TASK_STATE_CANCELED}
_OVER: Final = _FAILED | {TaskState.TASK_STATE_COMPLETED}
_UNDER_WAY: Final = {TaskState.TASK_STATE_SUBMITTED, TaskState.TASK_STATE_WORKING}
# The first that an error is, or came of.
_FAULTS: Final[tuple[tuple[type[BaseException], Callable[[], ApiError]], ...]] = (
    (A2AClientTimeoutError, faults.timed_out),
    (httpx.ReadError, faults.cut),
    (httpx.DecodingError, lambda: faults.garbage("more than an answer may hold")),
    (httpx.HTTPError, faults.unreachable),
    (A2AClientError, lambda: faults.garbage("something that isn't this protocol")),
)
Keep = Callable[[FarContext], Awaitable[None]]
_cancelling: set[asyncio.Task[None]] = set()

logging.getLogger("a2a").setLevel(logging.CRITICAL)  # it would quote cards and answers


class Exchange:
    """A client of one agent. Leaving it while the agent's task is under way cancels the task over there."""

    def __init__(self, session: aiohttp.ClientSession, policy: AddressPolicy, url: str, bearer: str | None) -> None:
        self._url = url
        transport = CheckedTransport(session, policy, origin_of(url), bearer)
        self._http = httpx.AsyncClient(transport=transport, timeout=None, follow_redirects=False)  # noqa: S113
        self._client: Client | None = None
        self._bearer = bearer
        self._task: Task | None = None
        self._said = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None and self._task is not None and self._task.status.state in _UNDER_WAY:
            cancelling = asyncio.create_task(self._cancel(self._client, self._task.id))
            _cancelling.add(cancelling)
            cancelling.add_done_callback(_cancelling.discard)
        else:
            await self._http.aclose()

    async def pieces(self, text: str, known: FarContext | None, keep: Keep) -> AsyncGenerator[str]:
        """The answer in pieces. Raises `ApiError` (see `faults`)."""
        message = new_text_message(
            text,
            role=Role.ROLE_USER,
            context_id=None if known is None else known.context_id,
            task_id=None if known is None else known.task_id,
        )
        try:
            client = self._client = ClientFactory(ClientConfig(httpx_client=self._http)).create(await self._card())
            async for event in client.send_message(SendMessageRequest(message=message)):
                if event.HasField("message"):
                    yield self._anew(get_message_text(event.message))
                    await _kept(keep, event.message.context_id, None)
                    return
                for piece in self._news(event):
                    yield piece
        except (A2AError, httpx.HTTPError, AddressNotPublic) as error:
            raise self._fault(error) from error
        if self._task is None:
            raise faults.garbage("nothing")
        status = self._task.status
        asks = status.state == TaskState.TASK_STATE_INPUT_REQUIRED
        await _kept(keep, self._task.context_id, self._task.id if asks else None)
        yield self._end(status)

    async def _card(self) -> AgentCard:
        base, _, path = self._url.rpartition("/") if self._url.endswith(".json") else (self._url, "", _WELL_KNOWN)
        return await A2ACardResolver(self._http, base, path).get_agent_card()

    def _news(self, event: StreamResponse) -> list[str]:
        if event.HasField("task"):
            self._task = event.task
            return []
        if event.HasField("artifact_update"):
            update = event.artifact_update
            text = get_artifact_text(update.artifact)
            if self._task is not None:
                _remember(self._task, update.artifact, append=update.append)
            return [self._more(text) if update.append else self._anew(text)] if text else []
        if event.HasField("status_update"):
            update = event.status_update
            if self._task is None:
                self._task = Task(id=update.task_id, context_id=update.context_id)
            self._task.status.CopyFrom(update.status)
        return []

    def _more(self, text: str) -> str:
        self._said += text
        return text

    def _anew(self, text: str) -> str:
        """A piece that stands for itself: what it takes the place of can't be taken back."""
        if self._said:
            text = _BETWEEN + text
        self._said += text
        return text

    def _end(self, status: TaskStatus) -> str:
        """What is still to be said at the task's end. Raises for one that brought no answer."""
        said = get_message_text(status.message)
        if status.state == TaskState.TASK_STATE_AUTH_REQUIRED:
            raise faults.waits(said)
        if status.state in _FAILED:
            raise faults.failed(502, said, self._bearer)
        if status.state in _UNDER_WAY:
            raise faults.cut()
        if not self._said and self._task is not None:
            said = "\n".join([*map(get_artifact_text, self._task.artifacts), said]).strip()
            if status.state == TaskState.TASK_STATE_COMPLETED and not said:
                raise faults.garbage("no text")
            return self._anew(said)
        return self._anew(said) if said else ""

    def _fault(self, error: Exception) -> ApiError:
        if isinstance(error, LeadsElsewhere):
            return faults.leads_elsewhere(str(error))
        if isinstance(error, AddressNotPublic):
            return faults.address_refused(str(error))
        status = _status_of(error)
        if status is not None:
            return faults.refused(status) if status in {401, 403} else faults.failed(status, None)
        for kind, fault in _FAULTS:
            if _is_or_came_of(error, kind):
                return fault()
        return faults.failed(502, str(error), self._bearer)

    async def _cancel(self, client: Client, task_id: str) -> None:
        try:
            async with asyncio.timeout(_CANCEL_S):
                await client.cancel_task(CancelTaskRequest(id=task_id))
        except (A2AError, httpx.HTTPError, AddressNotPublic, TimeoutError) as error:
            _log.info("remote_task_not_cancelled", error=type(error).__name__)
        finally:
            await self._http.aclose()


async def _kept(keep: Keep, context_id: str, task_id: str | None) -> None:
    if context_id:
        await keep(FarContext(context_id, task_id))


def _remember(task: Task, artifact: Artifact, *, append: bool) -> None:
    mine = next((one for one in task.artifacts if one.artifact_id == artifact.artifact_id), None)
    if mine is None:
        task.artifacts.append(artifact)
    elif append:
        mine.parts.extend(artifact.parts)
    else:
        mine.CopyFrom(artifact)


def _status_of(error: Exception) -> int | None:
    """The HTTP status that an error of the SDK came of."""
    if isinstance(error, AgentCardResolutionError) and error.status_code is not None:
        return error.status_code
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, httpx.HTTPStatusError):
            return cause.response.status_code
        cause = cause.__cause__
    return None


def _is_or_came_of(error: BaseException, kind: type[BaseException]) -> bool:
    cause = error.__cause__
    return isinstance(error, kind) or (cause is not None and _is_or_came_of(cause, kind))
