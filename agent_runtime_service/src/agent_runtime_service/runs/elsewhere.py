"""Runs that are watched here and driven by another front, or by none.

Who drives one tells of it (`runs.live`) as long as somebody watches here. That may be lost; so what is stored is
looked after, too: however many are watched by however many, the database is asked once, twice a second; and not at all
while nobody watches.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from agent_runtime_service.execution.feed import Feed, FeedEvent, Listener
from agent_runtime_service.runs.live import LiveRuns
from agent_runtime_service.runs.repository import RunMark, RunRepository
from kgents_shared.http.background import BackgroundTasks
from kgents_shared.waking import woken

_EVERY_S: Final = 0.5
_ASK_AGAIN_S: Final = 3.0
_TOGETHER_S: Final = 0.02


@dataclass(slots=True)
class _Watched:
    feed: Feed = field(default_factory=Feed)
    watchers: int = 0
    mark: RunMark | None = None
    told_seq: int = 0  # up to there the front that drives it has told of its steps


class RunsElsewhere:
    """`listen` while somebody watches a run; `start` runs what looks after those."""

    def __init__(self, stored: RunRepository) -> None:
        self._stored = stored
        self._watched: dict[UUID, _Watched] = {}
        self._new = asyncio.Event()
        self._to_ask: set[UUID] = set()

    @contextmanager
    def listen(self, run_id: UUID) -> Generator[Listener]:
        """Hears what passes of the run, and an event `look` whenever something of it is stored that is new."""
        watched = self._watched.get(run_id)
        if watched is None:
            watched = self._watched[run_id] = _Watched()
            self._to_ask.add(run_id)
            self._new.set()
        listener = watched.feed.listen()
        watched.watchers += 1
        try:
            yield listener
        finally:
            watched.feed.leave(listener)
            watched.watchers -= 1

    def start(self, tasks: BackgroundTasks, live: LiveRuns) -> None:
        """Look after what is watched, and have what is driven here told to other fronts."""
        tasks.start("runtime watched runs", lambda: self._follow(live))
        tasks.start("runtime runs driven elsewhere", lambda: self._hear(live))
        tasks.start("runtime runs watched elsewhere", live.answer)

    async def _follow(self, live: LiveRuns) -> None:
        loop = asyncio.get_running_loop()
        ask_again = loop.time()
        while True:
            if not self._watched:
                await self._new.wait()
            if await woken(self._new, _EVERY_S):
                await asyncio.sleep(_TOGETHER_S)  # whoever else begins to watch right now
            # Between two looks a watcher is none for a moment: those who left are forgotten here.
            self._watched = {run_id: watched for run_id, watched in self._watched.items() if watched.watchers}
            new, self._to_ask = self._to_ask & self._watched.keys(), set()
            await live.ask(new, anew=True)
            changed = await self._look()
            if loop.time() >= ask_again:
                ask_again = loop.time() + _ASK_AGAIN_S
                changed = set(self._watched)
            await live.ask(changed - new, anew=False)

    async def _look(self) -> set[UUID]:
        """Tell who watches a run of which something is stored that nobody told of; which those are."""
        changed, asked = set[UUID](), list(self._watched.items())
        marks = await self._stored.marks([run_id for run_id, _ in asked]) if asked else {}
        for run_id, watched in asked:
            mark = marks.get(run_id)
            if mark is None:  # it was deleted: nothing else would tell so
                watched.feed.nudge()
                continue
            before, watched.mark = watched.mark, mark
            if before is None or before.state != mark.state or mark.seq > max(before.seq, watched.told_seq):
                changed.add(run_id)
                watched.feed.nudge()
        return changed

    async def _hear(self, live: LiveRuns) -> None:
        async for passing in live.told():
            watched = self._watched.get(passing.run_id)
            if watched is None:
                continue
            if passing.name == "delta":
                watched.feed.say(passing.text)
                continue
            watched.told_seq = max(watched.told_seq, passing.seq)
            watched.feed.push(FeedEvent("reset" if passing.name == "reset" else "look"))
