"""A run as server-sent events, from its beginning or from where somebody left off: `GET /runs/{run_id}/events`.

What is stored is read from its table, whoever drives the run; what passes (pieces of the answer) is heard from this
front or from the one that drives it. Only what is stored has an id, `<conversation>:<place>`, and so whoever comes back
with the last one misses no step and is told none twice.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import orjson

from agent_runtime_service.errors import RunNotFound, TooManyStreams
from agent_runtime_service.event_streams import KEEPALIVE, KEEPALIVE_S, sse, with_silences
from agent_runtime_service.execution.active import CANCELLED, WAITING, ActiveRuns
from agent_runtime_service.execution.feed import Listener
from agent_runtime_service.messages.streaming import event_id_of
from agent_runtime_service.runs.elsewhere import RunsElsewhere
from agent_runtime_service.runs.repository import RunRepository, StoredRun
from kgents_shared.auth import Principal
from kgents_shared.errors import ApiError, InvalidInput, Unauthenticated

_MOST_OF_ONE: Final = 100
_ASK_EVERY_S: Final = 1.0
_LEAST_SILENCE_S: Final = 0.05
_RESET: Final = sse("reset", {})


@dataclass(slots=True)
class _Told:
    """What a watcher has been told."""

    seq: int
    tries: int = 0
    approvals: tuple[Any, ...] = ()
    speaks: bool = False  # pieces of an answer that no step or end has followed yet
    asked_at: float = 0.0  # when it was asked last whether they may still watch
    may_until: float = 0.0
    is_over: bool = False  # they may watch no longer

    def silence_s(self) -> float:
        """How long nothing need be done while nothing happens."""
        return max(_LEAST_SILENCE_S, min(KEEPALIVE_S, self.may_until - time.time()))


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who watches: `still_may` raises `Unauthenticated` once they may no longer; who they are, as long as they may."""

    owner_ids: frozenset[str]
    subject: str
    may_until: float
    still_may: Callable[[], Awaitable[Principal]]


@dataclass(slots=True)
class RunWatch:
    """Lets people watch runs. `ending` is set when the server is about to stop."""

    runs: ActiveRuns
    stored: RunRepository
    elsewhere: RunsElsewhere
    ending: asyncio.Event
    _watchers: Counter[str] = field(default_factory=Counter[str])

    async def begin(self, watcher: Watcher, run_id: UUID, last_event_id: str | None) -> AsyncGenerator[bytes] | None:
        """The events of a run behind `last_event_id`; None where its last one has been told.

        Raises `RunNotFound`, `InvalidInput` for an id that is none of this run's, `TooManyStreams`.
        """
        run = await self.stored.find(watcher.owner_ids, run_id)
        if run is None:
            raise RunNotFound("There is no such run.")
        after = _place(run, last_event_id)
        if run.final_seq is not None and after >= run.final_seq:
            return None
        if self._watchers[watcher.subject] >= _MOST_OF_ONE:
            raise TooManyStreams(f"You watch {_MOST_OF_ONE} runs at once, the most that one may.")
        return self._events(watcher, run, _Told(after, may_until=watcher.may_until))

    async def _events(self, watcher: Watcher, run: StoredRun, told: _Told) -> AsyncGenerator[bytes]:
        self._watchers[watcher.subject] += 1
        try:
            yield sse("run", {"run_id": run.run_id, "conversation_id": run.conversation_id})
            while True:
                with self._listening(run.run_id) as listener:
                    now = await self.stored.find(watcher.owner_ids, run.run_id)
                    if now is None:
                        return
                    for piece in await self._news(now, told):
                        yield piece
                    if now.ended_at is not None:
                        return
                    async for piece in self._heard(watcher, now, told, listener):
                        yield piece
                if self.ending.is_set() or told.is_over:
                    return
        finally:
            self._watchers[watcher.subject] -= 1
            if not self._watchers[watcher.subject]:
                del self._watchers[watcher.subject]

    @contextmanager
    def _listening(self, run_id: UUID) -> Generator[Listener]:
        """From before what is stored is read, so that nothing falls between."""
        active = self.runs.get(run_id)
        if active is None:
            with self.elsewhere.listen(run_id) as listener:
                yield listener
            return
        listener = active.feed.listen()
        try:
            yield listener
        finally:
            active.feed.leave(listener)

    async def _news(self, run: StoredRun, told: _Told) -> list[bytes]:
        """What is stored of the run and hasn't been told."""
        steps = await self.stored.steps(run, told.seq)
        # A step and the end of a completed run say it whole, and what was told before is its beginning.
        is_void = told.speaks and not steps and run.status != "completed"
        news = [_RESET] if is_void else []
        told.speaks = False
        tries = run.failed_tries or []
        news += [sse("retrying", failed) for failed in tries[told.tries :]]
        told.tries = len(tries)
        for seq, payload in steps:
            news.append(_step(run, seq, orjson.loads(payload)))
            told.seq = seq
        approvals = tuple(approval.approval_id for approval in run.approvals)
        if run.status == WAITING and approvals and approvals != told.approvals:
            news.append(sse(WAITING, _waiting(run)))
        told.approvals = approvals
        if run.ended_at is not None:
            news.append(_end(run))
        return news

    async def _heard(self, watcher: Watcher, run: StoredRun, told: _Told, listener: Listener) -> AsyncGenerator[bytes]:
        """What is heard, until something stored is to be looked at."""
        async for event in with_silences(listener.events(), self.ending, told.silence_s):
            if (farewell := await _farewell(watcher, run, told)) is not None:
                told.is_over = True
                yield farewell
                return
            if event is None:
                yield KEEPALIVE
            elif event.name == "look":
                return
            elif event.name == "step":
                if event.seq > told.seq:
                    told.seq, told.speaks = event.seq, False
                    yield _step(run, event.seq, event.payload or {})
                elif told.speaks:  # pieces of a step that was read where it is stored, before it was told of here
                    told.speaks = False
                    yield _RESET
            elif event.name == "retrying":
                told.tries += 1
                yield sse("retrying", event.payload or {})
            else:
                told.speaks = event.name == "delta"
                yield sse(event.name, {"text": event.text} if event.name == "delta" else {})


async def _farewell(watcher: Watcher, run: StoredRun, told: _Told) -> bytes | None:
    """The last that is told to who may watch no longer; None as long as they may."""
    now = time.time()
    if now < told.may_until and now < told.asked_at + _ASK_EVERY_S:
        return None
    try:
        told.may_until = (await watcher.still_may()).expires_at
    except Unauthenticated as refused:
        last = event_id_of(run.conversation_id, told.seq) if told.seq else None
        detail = "The token of this stream expired or was revoked: come back with another one and the last event's id."
        return sse(
            "token_expired", {"code": refused.code, "status": refused.status, "detail": detail, "last_event_id": last}
        )
    except ApiError:
        return KEEPALIVE  # nobody can say whether they may: they come back, and are asked who they are
    told.asked_at = now
    return None


def _place(run: StoredRun, last_event_id: str | None) -> int:
    """The place in the conversation that an id names; 0, before its beginning, where there is none."""
    if not last_event_id:
        return 0
    conversation, _, place = last_event_id.rpartition(":")
    if conversation != str(run.conversation_id) or not place.isascii() or not place.isdigit() or len(place) > 9:
        raise InvalidInput("The Last-Event-ID is none of this run's.", code="bad_event_id")
    return int(place)


def _step(run: StoredRun, seq: int, payload: dict[str, Any]) -> bytes:
    return sse("step", {"seq": seq, **payload}, event_id_of(run.conversation_id, seq))


def _waiting(run: StoredRun) -> dict[str, Any]:
    return {**_ids(run), "approvals": [approval.as_json() for approval in run.approvals], "usage": run.usage}


def _end(run: StoredRun) -> bytes:
    """The last event: `completed`, `failed` or `cancelled`."""
    if run.status == "completed":
        output = {"output": run.output} if run.is_formed else {}
        data = {**_ids(run), "text": run.text, **output, "usage": run.usage}
        return sse("completed", data, event_id_of(run.conversation_id, run.final_seq))
    return sse(
        CANCELLED if run.status == CANCELLED else "failed", {**_ids(run), "run_status": run.status, **(run.error or {})}
    )


def _ids(run: StoredRun) -> dict[str, Any]:
    return {"run_id": run.run_id, "conversation_id": run.conversation_id, "status": run.status}
