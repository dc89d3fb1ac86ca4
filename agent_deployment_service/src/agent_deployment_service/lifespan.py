"""What lives as long as the app: database, bus, launcher, reconciler. It waits for no sibling."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast

from fastapi import FastAPI

from agent_deployment_service.clients import FlowSource, ManagementAgents, RuntimeActivity, RuntimeInstances
from agent_deployment_service.launchers.process.launcher import ProcessLauncher, ProcessLauncherOptions
from agent_deployment_service.launchers.process.limits import Pool
from agent_deployment_service.launchers.protocol import Launcher
from agent_deployment_service.reconciler.desired import SUBJECTS, DesiredState
from agent_deployment_service.reconciler.directory import RuntimeDirectory
from agent_deployment_service.reconciler.leadership import lead
from agent_deployment_service.reconciler.policy import RestartPolicy
from agent_deployment_service.reconciler.reconciler import Pace, Reconciler
from agent_deployment_service.reconciler.store import ReconcilerStore
from agent_deployment_service.settings import DeploymentSettings
from kgents_shared.db import Database
from kgents_shared.events import ConsumerSpec, DurableConsumer, EventBus
from kgents_shared.http.background import BackgroundTasks
from kgents_shared.http.client import ServiceSession

_DURABLE = "deployment"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Puts `database`, `launcher`, `reconciler`, `desired_state`, `agent_source` and `agent_activity` on the app's
    state.

    At the end the reconciler stops first, then every worker is drained and ended, then the fork server.
    """
    settings = cast("DeploymentSettings", app.state.settings)
    url = settings.database_url.get_secret_value()
    token = settings.nats_token.get_secret_value() if settings.nats_token else None
    async with AsyncExitStack() as stack:
        database = Database(url, pool_size=settings.database_pool_size)
        stack.push_async_callback(database.close)
        bus = await stack.enter_async_context(EventBus(settings.nats_url, token, name="deployment"))
        session = await stack.enter_async_context(
            ServiceSession(settings.auth_url, "deployment", settings.client_secret.get_secret_value())
        )
        launcher = make_launcher(settings)
        await launcher.start()
        stack.push_async_callback(launcher.close, settings.shutdown_grace_s)
        source = ManagementAgents(session.client(settings.management_url, "management"))
        runtime = session.client(settings.runtime_url, "runtime")
        directory = RuntimeDirectory(RuntimeInstances(runtime))
        store = ReconcilerStore(database, launcher.name)
        reconciler = make_reconciler(settings, store, launcher, directory, source)
        desired = DesiredState(store, source, reconciler.wake)
        consumer = DurableConsumer(bus, ConsumerSpec(_DURABLE, SUBJECTS), desired.on_event)
        app.state.database = database
        app.state.event_bus = bus
        app.state.launcher = launcher
        app.state.agent_source = source
        app.state.agent_activity = RuntimeActivity(runtime)
        app.state.reconciler = reconciler
        app.state.desired_state = desired
        app.state.health_probes["database"] = database.answers
        tasks = await stack.enter_async_context(BackgroundTasks())
        tasks.start("deployment reconciler", lambda: lead(url, reconciler.run))
        tasks.start("deployment events", consumer.run)
        tasks.start("deployment resync", lambda: desired.resync_for_ever(settings.resync_interval_s))
        yield


def make_launcher(settings: DeploymentSettings) -> Launcher:
    """The launcher that the settings name."""
    return ProcessLauncher(
        ProcessLauncherOptions(
            run_dir=settings.run_dir,
            logs_dir=settings.logs_dir,
            door=settings.door,
            door_dir=settings.door_dir,
            worker_module=settings.worker_module,
            import_paths=settings.worker_import_paths,
            require_isolation=settings.require_isolation,
            langflow_dir=settings.langflow_dir,
            pool=Pool(settings.pool_memory_mb, settings.pool_cpus),
        )
    )


def make_reconciler(
    settings: DeploymentSettings,
    store: ReconcilerStore,
    launcher: Launcher,
    directory: RuntimeDirectory,
    flows: FlowSource,
) -> Reconciler:
    """The reconciler as the settings pace it."""
    policy = RestartPolicy(
        limit=settings.restart_limit,
        window_s=settings.restart_window_s,
        backoff_s=settings.restart_backoff_s,
        backoff_max_s=settings.restart_backoff_max_s,
    )
    pace = Pace(
        health_timeout_s=settings.health_timeout_s,
        drain_grace_s=settings.drain_grace_s,
        sweep_interval_s=settings.sweep_interval_s,
        registry_interval_s=settings.resync_interval_s,
    )
    return Reconciler(store, launcher, directory, flows, policy, pace)
