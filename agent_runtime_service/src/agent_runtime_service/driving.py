"""What drives runs, put together: instances, journal, driver, and what takes lost and waiting runs up."""

from uuid import uuid4

from fastapi import FastAPI

from agent_runtime_service.cancelling.repository import CancelledRuns
from agent_runtime_service.cancelling.service import CancellingService
from agent_runtime_service.clients import (
    AgentCatalog,
    HttpApprovals,
    HttpInstanceObserver,
    HttpToolRegistry,
    HttpVersionRunner,
)
from agent_runtime_service.debugging import Debugging
from agent_runtime_service.door.service import DoorService
from agent_runtime_service.door.tool_money import ToolMoney
from agent_runtime_service.door.tools import ToolCaller
from agent_runtime_service.execution.active import ActiveRuns
from agent_runtime_service.execution.driver import RunDriver
from agent_runtime_service.execution.news import News
from agent_runtime_service.execution.plan import Planner
from agent_runtime_service.execution.recovery import Recovery
from agent_runtime_service.execution.repository import RunJournal
from agent_runtime_service.execution.waiting import WaitingRuns
from agent_runtime_service.gateway.service import ModelGateway
from agent_runtime_service.instances.activity import AgentActivity
from agent_runtime_service.instances.directory import InstanceDirectory
from agent_runtime_service.instances.repository import InstanceRepository
from agent_runtime_service.instances.service import InstanceService
from agent_runtime_service.instances.versions_in_use import VersionsInUse
from agent_runtime_service.messages.finder import AgentFinder
from agent_runtime_service.messages.places import Places
from agent_runtime_service.messages.service import MessageService
from agent_runtime_service.replays.service import ReplayParts
from agent_runtime_service.runs.elsewhere import RunsElsewhere
from agent_runtime_service.runs.live import LiveRuns
from agent_runtime_service.runs.repository import RunRepository
from agent_runtime_service.runs.watching import RunWatch
from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.db import HotPool
from kgents_shared.events import EventBus
from kgents_shared.http.background import BackgroundTasks
from kgents_shared.http.client import ServiceSession


class Driving:
    """Made when the app starts, with its services on the app's state; `start` runs what runs beside the requests."""

    def __init__(
        self,
        app: FastAPI,
        pool: HotPool,
        siblings: ServiceSession,
        settings: RuntimeSettings,
        catalog: AgentCatalog,
        gateway: ModelGateway,
        debug: Debugging,
    ) -> None:
        self._settings = settings
        # Each run waits for its own calls of tools, and some of those for other runs.
        registry = HttpToolRegistry(
            siblings.client(settings.tools_url, "tools", own_connections=settings.max_active_runs)
        )
        deployment = siblings.client(settings.deployment_url, "deployment")
        approvals = HttpApprovals(siblings.client(settings.governance_url, "governance"))
        self.directory = InstanceDirectory(HttpInstanceObserver(deployment))
        self.runs = app.state.active_runs = ActiveRuns()
        self._planner = Planner(gateway, registry)
        self._journal = RunJournal(pool, uuid4(), settings.lease_s, settings.database_patience_s)
        self._driver = RunDriver(
            self._journal, self.runs, self.directory, self._planner, settings.instance_wait_s, debug.replays,
            debug.notes, settings.door_url,
        )  # fmt: skip
        self._versions = VersionsInUse(HttpVersionRunner(deployment), self.runs, settings.version_renew_s)
        self._recovery = Recovery(self._journal, self.runs, self._driver)
        self._waiting = WaitingRuns(self._journal, self._driver, self.runs, registry, approvals, self._versions)
        self.finder = app.state.finder = AgentFinder(self.directory, catalog, self._versions, settings.starting_wait_s)
        self.stored = app.state.run_repository = RunRepository(pool)
        self._instances = app.state.instances = InstanceService(InstanceRepository(pool), self.directory, self._planner)
        self._activity = app.state.agent_activity = AgentActivity(pool, self.runs)
        app.state.door = DoorService(
            self.directory, self.runs, self._journal, gateway,
            ToolCaller(self._journal, registry, self.runs.answered, ToolMoney(gateway.budgets, gateway.ledger)),
        )  # fmt: skip
        self.cancelling = app.state.cancelling = CancellingService(CancelledRuns(pool), self.runs, registry, approvals)
        self._watch = app.state.run_watch = RunWatch(
            self.runs, self.stored, RunsElsewhere(self.stored), app.state.ending
        )

    def messages(self, places: Places) -> MessageService:
        """What takes messages in."""
        return MessageService(
            self.finder, self._journal, self._driver, self.runs, self.stored, self._settings.max_active_runs, places
        )

    def replay_parts(self, gateway: ModelGateway, places: Places) -> ReplayParts:
        """What a replay goes through."""
        return ReplayParts(
            self.finder, self.directory, gateway, self._journal, self._driver, self.runs, places, self.stored,
            self._settings.max_active_runs,
        )  # fmt: skip

    def start(self, tasks: BackgroundTasks, bus: EventBus) -> None:
        """Keep leases, take up what was lost and what waited, and hear what is told."""
        settings = self._settings
        tasks.start("runtime leases", lambda: self._recovery.keep_leases(settings.lease_s / 3))
        tasks.start("runtime recovery", lambda: self._recovery.adopt_orphans(settings.recovery_every_s))
        tasks.start("runtime waiting runs", lambda: self._waiting.keep_asking(settings.approvals_every_s))
        tasks.start("runtime answered runs", lambda: self._waiting.keep_answering(settings.approvals_every_s))
        tasks.start("runtime cancelled runs", self.cancelling.watch)
        tasks.start("runtime stopping runs", self.cancelling.keep_settling)
        self._watch.elsewhere.start(tasks, LiveRuns(bus, self.runs))
        tasks.start("runtime instances", self._instances.keep_current)
        tasks.start("runtime activity", self._activity.keep)
        tasks.start("runtime versions in use", self._versions.keep)
        News(bus, self._waiting, self._planner, self.cancelling).start(tasks)

    async def stop(self) -> None:
        """Let runs end for a while."""
        await self._driver.stop(self._settings.shutdown_patience_s)

    async def let_go(self) -> None:
        """What still runs is for another front at once."""
        await self._recovery.let_go()
