"""What endpoints ask for in their signatures: the caller, a transaction, the launcher."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Annotated, cast

from fastapi import Depends, Header, Query, Request
from fastapi import Path as PathParameter

from agent_deployment_service.clients import AgentActivity, AgentSource
from agent_deployment_service.deployments.repository import DeploymentRepository
from agent_deployment_service.deployments.service import DeploymentService
from agent_deployment_service.instances.repository import InstanceRepository
from agent_deployment_service.launchers.protocol import Launcher
from agent_deployment_service.reconciler.reconciler import Reconciler
from agent_deployment_service.settings import DeploymentSettings
from agent_deployment_service.wanted.service import OnDemand, WantedVersions
from kgents_shared.auth import Principal, require, require_service
from kgents_shared.db import Database

DeploymentsRead = Annotated[Principal, Depends(require("deployments:read"))]
DeploymentsWrite = Annotated[Principal, Depends(require("deployments:write"))]
ManagementCalls = Annotated[Principal, Depends(require_service("management"))]
ObserverCalls = Annotated[Principal, Depends(require_service("management", "runtime"))]
SiblingCalls = Annotated[Principal, Depends(require_service("auth", "management", "tools", "runtime", "deployment"))]

AgentPath = Annotated[str, PathParameter(min_length=1, max_length=110, pattern=r"^[^\x00-\x1f]+$")]
Tail = Annotated[int, Query(ge=1, le=1000, description="how many of the newest lines")]
IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255, pattern=r"^[\x20-\x7e]+$")
]
RuntimeCalls = Annotated[Principal, Depends(require_service("runtime"))]
OpenService = Callable[[Principal], AbstractAsyncContextManager[DeploymentService]]


def _deployments(request: Request) -> OpenService:
    """Opens one transaction, committed when its block ends well: before anybody is woken for what it changed."""
    database = cast("Database", request.app.state.database)
    source = cast("AgentSource", request.app.state.agent_source)
    activity = cast("AgentActivity", request.app.state.agent_activity)
    launcher = _launcher(request)

    @asynccontextmanager
    async def open_service(principal: Principal) -> AsyncGenerator[DeploymentService]:
        async with database.transaction() as session:
            yield DeploymentService(
                DeploymentRepository(session), InstanceRepository(session), source, activity, launcher, principal
            )

    return open_service


def _wanted(request: Request) -> Callable[[], AbstractAsyncContextManager[WantedVersions]]:
    """Opens one transaction, as for deployments."""
    database = cast("Database", request.app.state.database)
    source = cast("AgentSource", request.app.state.agent_source)
    settings = cast("DeploymentSettings", request.app.state.settings)
    on_demand = OnDemand(timedelta(seconds=settings.version_idle_s), settings.versions_on_demand)

    @asynccontextmanager
    async def open_wanted() -> AsyncGenerator[WantedVersions]:
        async with database.transaction() as session:
            yield WantedVersions(DeploymentRepository(session), source, on_demand)

    return open_wanted


def _launcher(request: Request) -> Launcher:
    return cast("Launcher", request.app.state.launcher)


def _reconciler(request: Request) -> Reconciler:
    return cast("Reconciler", request.app.state.reconciler)


Deployments = Annotated[OpenService, Depends(_deployments)]
OpenWanted = Annotated[Callable[[], AbstractAsyncContextManager[WantedVersions]], Depends(_wanted)]
TheLauncher = Annotated[Launcher, Depends(_launcher)]
TheReconciler = Annotated[Reconciler, Depends(_reconciler)]
