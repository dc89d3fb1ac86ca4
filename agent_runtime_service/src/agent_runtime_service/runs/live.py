"""What is passing of a run, told by the front that drives it to those at which it is watched.

A front that has watchers of a run that it doesn't drive asks for it, again and again while it has them; who drives the
run tells that front. Nothing of it is kept, and nothing is told of what nobody watches elsewhere. Steps are not told,
but that there are new ones: they are read from their table.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

import orjson
import structlog

from agent_runtime_service.execution.active import ActiveRun, ActiveRuns
from agent_runtime_service.execution.feed import Listener
from kgents_shared.events import EventBus

_log = structlog.get_logger("kgents.runtime.live")
_ASKING: Final = "runtime.live.asked"
_ASKED_FOR_S: Final = 10.0
_MOST_CHARS: Final = 100_000
_MOST_TOLD: Final = 10_000


@dataclass(frozen=True, slots=True)
class Passing:
    """One thing that was told of a run: `delta` with its text, `reset`, or `look`: something is stored that is new.

    `seq` is the place of a step that is stored; 0 where it is something else.
    """

    run_id: UUID
    name: str
    text: str
    seq: int


@dataclass(frozen=True, slots=True)
class _Asked:
    run_id: UUID
    front: str
    anew: bool


@dataclass(slots=True)
class _Telling:
    """One front that is told of one run, until the loop's time is `until`."""

    listener: Listener
    task: "asyncio.Task[None]"
    until: float


class LiveRuns:
    """One front's part: `ask` for runs, `told` of them; `answer` what other fronts ask is an endless task."""

    def __init__(self, bus: EventBus, runs: ActiveRuns) -> None:
        self._bus = bus
        self._runs = runs
        self._me = uuid4().hex
        self._telling: dict[tuple[UUID, str], _Telling] = {}

    async def ask(self, run_ids: Iterable[UUID], *, anew: bool) -> None:
        """Have these runs told of for a while, `anew` from what was said so far."""
        for run_id in run_ids:
            asked = {"run": run_id, "to": self._me, "anew": anew}
            await self._bus.whisper(_ASKING, orjson.dumps(asked))

    async def told(self) -> AsyncGenerator[Passing]:
        """What other fronts tell of the runs that were asked for."""
        async for data in self._bus.whispers(_heard_by(self._me)):
            if (passing := _passing(data)) is not None:
                yield passing

    async def answer(self) -> None:
        """Endless: tell other fronts of the runs that are driven here and that they ask for."""
        try:
            async for data in self._bus.whispers(_ASKING):
                asked = _asked(data)
                run = None if asked is None or asked.front == self._me else self._runs.get(asked.run_id)
                if asked is not None and run is not None:
                    self._tell(run, asked.front, anew=asked.anew)
        finally:
            for telling in self._telling.values():
                telling.task.cancel()

    def _tell(self, run: ActiveRun, front: str, *, anew: bool) -> None:
        key, until = (run.run_id, front), asyncio.get_running_loop().time() + _ASKED_FOR_S
        telling = self._telling.get(key)
        if telling is not None and not anew:
            telling.until = until
            return
        if telling is not None:
            telling.task.cancel()
        elif len(self._telling) >= _MOST_TOLD:
            return
        listener = run.feed.listen()
        task = asyncio.create_task(self._keep_telling(run, front, listener))
        self._telling[key] = _Telling(listener, task, until)
        task.add_done_callback(lambda _: self._stopped(run, key, listener))

    def _stopped(self, run: ActiveRun, key: tuple[UUID, str], listener: Listener) -> None:
        run.feed.leave(listener)
        telling = self._telling.get(key)
        if telling is not None and telling.listener is listener:
            del self._telling[key]

    async def _keep_telling(self, run: ActiveRun, front: str, listener: Listener) -> None:
        """What is passing as it passes; that there is something to read where it is stored, and at the end."""
        subject, loop = _heard_by(front), asyncio.get_running_loop()
        await self._bus.whisper(subject, _line(run, "look"))
        async for event in listener.events():
            telling = self._telling.get((run.run_id, front))
            if telling is None or loop.time() > telling.until:
                return
            if event.name == "delta":
                for start in range(0, len(event.text), _MOST_CHARS):
                    await self._bus.whisper(subject, _line(run, "delta", event.text[start : start + _MOST_CHARS]))
            else:
                name = "reset" if event.name == "reset" else "look"
                await self._bus.whisper(subject, _line(run, name, seq=event.seq))
        await self._bus.whisper(subject, _line(run, "look"))


def _heard_by(front: str) -> str:
    return f"runtime.live.told.{front}"


def _line(run: ActiveRun, name: str, text: str = "", seq: int = 0) -> bytes:
    return orjson.dumps({"run": run.run_id, "name": name, "text": text, "seq": seq})


def _passing(data: bytes) -> Passing | None:
    try:
        told = orjson.loads(data)
        return Passing(UUID(told["run"]), str(told["name"]), str(told["text"]), int(told["seq"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        _log.warning("whisper_not_understood", error=repr(error))
        return None


def _asked(data: bytes) -> _Asked | None:
    try:
        asked = orjson.loads(data)
        return _Asked(UUID(asked["run"]), str(asked["to"]), asked["anew"] is True)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        _log.warning("whisper_not_understood", error=repr(error))
        return None
