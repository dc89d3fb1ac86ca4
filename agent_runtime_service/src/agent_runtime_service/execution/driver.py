"""Drives runs to their end: queue, instance, worker, finish; and goes on elsewhere when a worker is lost."""

import asyncio
import re
from typing import Any
from uuid import UUID

import orjson
import psycopg
import structlog
from psycopg_pool import PoolTimeout

from agent_runtime_service.errors import StaleLease
from agent_runtime_service.execution.active import (
    CANCELLED,
    WAITING,
    ActiveRun,
    ActiveRuns,
    DrivenElsewhere,
    RunEnd,
    RunFault,
    RunPlan,
)
from agent_runtime_service.execution.feed import FeedEvent
from agent_runtime_service.execution.plan import Planner
from agent_runtime_service.execution.replay import Replays
from agent_runtime_service.execution.repository import RunJournal
from agent_runtime_service.execution.retries import FailedTry, may_pass
from agent_runtime_service.execution.worker_client import WorkerLost
from agent_runtime_service.instances.directory import Instance, InstanceDirectory
from agent_runtime_service.traces.notes import RunNotes
from kgents_shared.contracts.deployments import OUT_OF_MEMORY
from kgents_shared.contracts.instances import CANARY
from kgents_shared.contracts.worker import ToolCall
from kgents_shared.errors import ApiError, Unavailable

_log = structlog.get_logger("kgents.runtime.driver")
MAX_ATTEMPTS = 3
MAX_RUN_BYTES = 24 * 1024 * 1024
# The worker watches the deadline itself; the front waits this much longer for its word on it.
_GRACE_S = 1.0
_MOST_CALLS = 32
_TURN_POLL_S = 0.25
_PLAN_PAUSE_S = 0.5
_LEAST_S = 0.1
_LOST = "The agent's worker ended or fell silent; the run goes on with another one after its last stored step."
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MAX_DETAIL_CHARS = 2000


class RunDriver:
    """Gives runs to instances. Each run has a task of its own, which no client's going away ends."""

    def __init__(
        self,
        journal: RunJournal,
        runs: ActiveRuns,
        directory: InstanceDirectory,
        planner: Planner,
        instance_wait_s: float,
        replays: Replays,
        notes: RunNotes,
        door_url: str | None = None,
    ) -> None:
        self._replays = replays
        self._notes = notes
        self._journal = journal
        self._runs = runs
        self._directory = directory
        self._planner = planner
        self._instance_wait_s = instance_wait_s
        self._door = b"" if door_url is None else b',"door":' + orjson.dumps(door_url)
        self._tasks: set[asyncio.Task[None]] = set()
        self.abandoned: list[UUID] = []

    def start(self, run: ActiveRun) -> None:
        """Drive a run that was begun or adopted; its `done` tells of the end."""
        self._runs.add(run)
        task = run.task = asyncio.create_task(self._drive(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self, patience_s: float) -> None:
        """Let the runs end for a while, then give the others up: their leases are free for another front."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience_s)
        self.abandoned = self._runs.ids()
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _drive(self, run: ActiveRun) -> None:
        try:
            waits = await self._wait_turn(run) if run.queued else None
            end = waits or await self._attempts(run)
            run.close_door()
            if await self._tried_again(run, end):
                return
            if end.status != WAITING:
                await self._journal.end(run, end)
                self._notes.ended(run.run_id)
            _resolve(run, end)
        except asyncio.CancelledError:
            if run.suspension is None or run.suspension.status != CANCELLED:
                raise
            await self._note_cancelled(run)
            self._notes.ended(run.run_id)
            _resolve(run, run.suspension)
        except StaleLease:
            _give_up(run, DrivenElsewhere())
        except (psycopg.Error, PoolTimeout) as error:
            # Nothing more can be stored: the run is taken up again once the database is back and its lease is over.
            _log.warning("run_left_behind", run_id=str(run.run_id), error=repr(error))
            _give_up(run, error)
        except Exception as error:  # noqa: BLE001 -- told in the log and stored as the run's end
            _log.exception("run_broken", run_id=str(run.run_id))
            await self._end_broken(run, error)
        finally:
            run.close_door()
            self._runs.remove(run)
            run.feed.close()
            _give_up(run, DrivenElsewhere())

    async def _tried_again(self, run: ActiveRun, end: RunEnd) -> bool:
        """Whether a try that failed is not the last one: then what follows is stored, and somebody takes it up."""
        fault, tries = end.fault, run.failed_tries + 1
        if run.retry is None or fault is None or end.status != "failed" or tries >= run.retry.attempts:
            return False
        pause_s = run.retry.pause_s(tries, fault.retry_after_s)
        if not may_pass(fault.code, fault.status, run.model_fault) or pause_s >= run.time_left():
            return False
        failed = FailedTry.now(tries, fault.code, fault.detail, pause_s)
        if not await self._journal.try_again(run, failed):
            return False
        _log.info("run_tried_again", run_id=str(run.run_id), code=fault.code, after=tries, pause_s=pause_s)
        run.feed.push(FeedEvent("retrying", payload=failed.as_json()))
        return True

    async def _note_cancelled(self, run: ActiveRun) -> None:
        """It is stored already that it is cancelled, by whoever did that; not what it had spent by then."""
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
        if calls := set(run.door_calls):
            await asyncio.wait(calls, timeout=_GRACE_S)
        try:
            await self._journal.note_spent(run)
        except (psycopg.Error, PoolTimeout) as error:
            _log.warning("usage_not_noted", run_id=str(run.run_id), error=repr(error))

    async def _end_broken(self, run: ActiveRun, error: Exception) -> None:
        """A fault of ours ends the run all the same: nothing stays open for ever."""
        end = _failed("internal_error", "Something failed inside; the log has it under the run's id.", 500)
        try:
            await self._journal.end(run, end)
        except (StaleLease, psycopg.Error, PoolTimeout):
            _give_up(run, error)
        else:
            self._notes.ended(run.run_id)
            _resolve(run, end)

    async def _wait_turn(self, run: ActiveRun) -> RunEnd | None:
        """Return when it is the run's turn; with its end where the one before it waits for a person, maybe for days."""
        while (turn := await self._journal.patiently(lambda: self._journal.promote(run))) != "mine":
            if turn == "waiting":
                return RunEnd("failed", fault=_fault_of(await self._journal.run_waiting(run.conversation_id)))
            await self._runs.wait_turn(run.conversation_id, _TURN_POLL_S)
        return None

    async def _attempts(self, run: ActiveRun) -> RunEnd:
        while True:
            if run.attempts > MAX_ATTEMPTS:
                return await self._lost(run)
            instance = await self._instance_for(run)
            if instance is None:
                return _failed("agent_unavailable", "No instance of the agent became ready in time.", 503, 5)
            try:
                end = await self._attempt(run, instance)
                return run.suspension or end
            except WorkerLost as lost:
                if run.suspension is not None:
                    return run.suspension
                _log.warning("worker_lost", run_id=str(run.run_id), agent=run.agent_name, error=str(lost))
                self._notes.went_wrong(run.run_id, "worker_lost", _LOST)
                instance.suspect = True
                run.close_door()
                if lost.accepted:
                    await self._journal.take_over(run)
                    run.feed.push(FeedEvent("reset"))

    async def _instance_for(self, run: ActiveRun) -> Instance | None:
        """An instance of the run's lane; the stable one where a canary was taken away meanwhile."""
        patience_s = min(self._instance_wait_s, max(_LEAST_S, run.time_left()))
        found = self._directory.choose(run.agent_id, run.lane) or await self._directory.wait_for(
            run.agent_id, patience_s, run.lane
        )
        return self._directory.choose(run.agent_id) if found is None and run.lane == CANARY else found

    async def _attempt(self, run: ActiveRun, instance: Instance) -> RunEnd:
        instance.runs += 1  # from here on its connections stay open, also where it is removed
        try:
            return await self._asked(run, instance)
        finally:
            await instance.release()

    async def _asked(self, run: ActiveRun, instance: Instance) -> RunEnd:
        try:
            run.plan = await self._plan(run, instance)
        except ApiError as error:
            return RunEnd("failed", fault=_fault_of(error))
        if instance.removed:  # meanwhile: nothing would open to it
            raise WorkerLost("The instance was removed.", accepted=False)
        run.instance_id = instance.instance_id
        run.version = run.plan.version
        left = run.time_left()
        if left <= 0:
            return _out_of_time(run)
        body = _request_body(run, run.plan.wire + self._door, left)
        if len(body) > MAX_RUN_BYTES:
            detail = "The conversation is longer than a run can take; begin another."
            return _failed("conversation_too_long", detail, 422)
        try:
            async with asyncio.timeout(left + _GRACE_S) as run.limit:
                return await self._listen(run, instance, body)
        except TimeoutError:
            return run.suspension or _out_of_time(run)
        finally:
            run.limit = None

    async def _plan(self, run: ActiveRun, instance: Instance) -> RunPlan:
        plan = await self._planned(run, instance)
        if run.replay is None and run.epoch > 1:
            # Begun by somebody else, maybe: only the database knows then whether its tools may be called.
            run.replay = await self._journal.patiently(lambda: self._replays.of(run.run_id))
        return plan if run.replay is None else run.replay.on(plan)

    async def _lost(self, run: ActiveRun) -> RunEnd:
        told = "The agent's worker was lost again and again during this run"
        why = None if run.plan is None else await self._directory.why_lost(run.agent_id, run.plan.owner_id)
        if why == OUT_OF_MEMORY:
            return _failed("worker_out_of_memory", f"{told}: {why} (limits.memory_mb).", 503, 1)
        return _failed("worker_lost", f"{told}: {why}." if why else f"{told}.", 503, 1)

    async def _planned(self, run: ActiveRun, instance: Instance) -> RunPlan:
        """A registry that is away is waited for like an instance: a run isn't lost because its tools can't be had."""
        until = asyncio.get_running_loop().time() + min(self._instance_wait_s, run.time_left())
        while True:
            try:
                return await self._planner.plan(instance)
            except Unavailable as away:
                if asyncio.get_running_loop().time() + _PLAN_PAUSE_S >= until:
                    raise
                _log.warning("plan_waits", run_id=str(run.run_id), agent=run.agent_name, error=away.detail)
            await asyncio.sleep(_PLAN_PAUSE_S)

    async def _listen(self, run: ActiveRun, instance: Instance, body: bytes) -> RunEnd:
        end = None
        try:
            async for event in instance.client.run(body):
                end = _told(run, event)
        except WorkerLost:
            if end is None:  # what happens to the connection behind the last word is of no importance
                raise
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise WorkerLost(f"the worker says what can't be read: {error!r}"[:200], accepted=True) from error
        if end is None:
            raise WorkerLost("the worker's answer has no end", accepted=True)
        return end


def _request_body(run: ActiveRun, plan: bytes, time_left_s: float) -> bytes:
    """The contract `RunRequest` as JSON. The transcript comes as JSON from the database and goes on unparsed."""
    remembered = b"" if run.remembered is None else b',"remembered":' + run.remembered.encode()
    form = b"" if run.answer_schema is None else b',"answer_schema":' + orjson.dumps(run.answer_schema)
    if run.client_tools:
        form += b',"client_tools":' + orjson.dumps([tool.model_dump() for tool in run.client_tools])
    return b'{"run_id":"%b","conversation_id":"%b","epoch":%d,"messages":[%b],%b,"deadline_s":%.3f%b%b}' % (
        str(run.run_id).encode(),
        str(run.conversation_id).encode(),
        run.epoch,
        run.transcript.encode(),
        plan,
        time_left_s,
        remembered,
        form,
    )


def _told(run: ActiveRun, event: dict[str, Any]) -> RunEnd | None:
    """What one event of the worker's means: something for the listeners, or the end."""
    kind = event["type"]
    if kind == "delta":
        # Steps come by the door, a way of their own: a piece of one that is stored already would be taken for the next.
        if event.get("step", run.steps + 1) > run.steps:
            run.feed.say(str(event["text"]))
    elif kind == "reset":
        run.feed.push(FeedEvent("reset"))
    elif kind == "final":
        # PostgreSQL's JSON operators refuse a NUL, so that the run could be stored but never read.
        text = str(event["text"]).replace("\x00", "\ufffd")
        return RunEnd("completed", text=text, final_seq=run.next_seq, calls=_calls_told(run, event))
    elif kind == "failed":
        return _end_told(run, event)
    return None


def _calls_told(run: ActiveRun, event: dict[str, Any]) -> tuple[ToolCall, ...]:
    """The calls that end the run; `ValueError` for any of what the caller doesn't offer."""
    if not run.client_tools:
        return ()
    calls = tuple(ToolCall.model_validate(call) for call in event.get("tool_calls") or ())
    if len(calls) > _MOST_CALLS or not {call.name for call in calls} <= {tool.name for tool in run.client_tools}:
        raise ValueError("calls of functions that nobody offers")
    return calls


def _end_told(run: ActiveRun, event: dict[str, Any]) -> RunEnd:
    """The worker's word on a failure; where it repeats the gateway's, the gateway's own counts."""
    code, status = str(event["code"]), int(event["status"])
    detail = str(event["detail"]).replace("\x00", "")[:_MAX_DETAIL_CHARS]
    if _CODE.fullmatch(code) is None:
        code = "worker_failed"  # it goes into events and logs, where the sandbox's own words have no place
    if code == "stale_lease":
        raise StaleLease
    if code == "door_away":
        raise WorkerLost("the worker could not reach the door", accepted=True)
    if code == "cancelled":
        return RunEnd("cancelled", fault=RunFault(code, detail, status))
    if run.model_fault is not None and run.model_fault.code == code:
        return RunEnd("failed", fault=_fault_of(run.model_fault))
    return RunEnd("failed", fault=RunFault(code, detail, status if 400 <= status < 600 else 502))


def _fault_of(error: ApiError) -> RunFault:
    retry_after = error.headers.get("Retry-After")
    return RunFault(error.code, error.detail, error.status, int(retry_after) if retry_after else None)


def _failed(code: str, detail: str, status: int, retry_after_s: int | None = None) -> RunEnd:
    return RunEnd("failed", fault=RunFault(code, detail, status, retry_after_s))


def _out_of_time(run: ActiveRun) -> RunEnd:
    return _failed("deadline_exceeded", f"The run did not end within its {run.timeout_s} seconds.", 504)


def _resolve(run: ActiveRun, end: RunEnd) -> None:
    if not run.done.done():
        run.done.set_result(end)


def _give_up(run: ActiveRun, error: Exception) -> None:
    if not run.done.done():
        run.done.set_exception(error)
        run.done.exception()  # nobody may be waiting for it
