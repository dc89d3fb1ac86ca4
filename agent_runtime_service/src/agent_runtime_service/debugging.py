"""What is noted of runs and told of them, put together and kept going."""

from contextlib import AsyncExitStack

from fastapi import FastAPI

from agent_runtime_service.clients import HttpApprovals, HttpRecordedToolCalls
from agent_runtime_service.execution.replay import Replays
from agent_runtime_service.replays.repository import ReplayRepository
from agent_runtime_service.replays.service import ReplayParts, ReplayService
from agent_runtime_service.settings import RuntimeSettings
from agent_runtime_service.telemetry.exporter import RunExporter
from agent_runtime_service.traces.notes import RunNotes
from agent_runtime_service.traces.repository import TraceRepository
from agent_runtime_service.traces.service import TraceService
from kgents_shared.db import HotPool
from kgents_shared.http.background import BackgroundTasks
from kgents_shared.http.client import ServiceSession


class Debugging:
    """The parts of this, on the app's state."""

    def __init__(self, app: FastAPI, pool: HotPool, siblings: ServiceSession, settings: RuntimeSettings) -> None:
        calls = app.state.recorded_calls = HttpRecordedToolCalls(siblings.client(settings.tools_url, "tools"))
        approvals = HttpApprovals(siblings.client(settings.governance_url, "governance"))
        self.replays = Replays(pool)
        self._pool = pool
        self._prompts_days = settings.trace_prompts_days
        self._traces = TraceRepository(pool)
        self.exporter = RunExporter(self._traces, settings.telemetry_target)
        self.notes = app.state.run_notes = RunNotes(pool, self.exporter.ended)
        app.state.traces = TraceService(self._traces, calls, approvals)

    def repeat_runs(self, app: FastAPI, parts: ReplayParts) -> None:
        """Offer replays, which go through all that runs go through."""
        app.state.replays = ReplayService(parts, ReplayRepository(self._pool), self.replays, self._traces)

    def start(self, tasks: BackgroundTasks, stack: AsyncExitStack) -> None:
        """Begin what runs beside the requests; what is left at the end is written then."""
        stack.push_async_callback(self.exporter.close)
        stack.push_async_callback(self.notes.close)
        if self.exporter.is_on:
            tasks.start("runtime telemetry", self.exporter.run)
        tasks.start("runtime notes of runs", self.notes.run)
        tasks.start("runtime old prompts", lambda: self.notes.forget_prompts(self._prompts_days))
