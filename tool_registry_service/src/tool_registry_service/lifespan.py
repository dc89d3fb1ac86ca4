"""Opens what the registry needs, and closes it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

from fastapi import FastAPI

from kgents_shared.contracts.policies import POLICY_SUBJECT
from kgents_shared.db import Database, open_pool
from kgents_shared.events import EventBus, OutboxRelay
from kgents_shared.http.background import BackgroundTasks
from kgents_shared.http.client import ServiceClient, ServiceSession
from kgents_shared.http.vault import HttpVault
from kgents_shared.policies.feed import PolicyFeed, ReadPolicies
from tool_registry_service.approvals.clients import HttpApprovals
from tool_registry_service.approvals.left_calls import LeftCalls
from tool_registry_service.approvals.step import ApprovalStep
from tool_registry_service.authorization.service import AuthorizationService
from tool_registry_service.authorization.tokens import OAuthTokens
from tool_registry_service.builtin_tools.asking import MOST_ASKED
from tool_registry_service.builtin_tools.every import BuiltinParts
from tool_registry_service.credentials import Bearers
from tool_registry_service.direct_calls.repository import DirectCallRepository
from tool_registry_service.direct_calls.service import DirectCallService
from tool_registry_service.http_tools.access import HttpAccess
from tool_registry_service.http_tools.executor import HttpExecutor
from tool_registry_service.http_tools.secrets import HttpSecrets
from tool_registry_service.invocation.gates import PinnedDefinition, ValidArguments
from tool_registry_service.invocation.lookup import EveryTool
from tool_registry_service.invocation.presence import RunnerPresence
from tool_registry_service.invocation.repository import InvocationRepository
from tool_registry_service.invocation.service import InvocationLimits, InvocationParts, InvocationService
from tool_registry_service.invocation.stopping import CallsUnderWay, StoppingService
from tool_registry_service.mcp_client.executor import McpExecutor
from tool_registry_service.mcp_client.pool import SessionPool
from tool_registry_service.mcp_client.sandbox import StdioSandbox
from tool_registry_service.mcp_client.transports import TransportMaker
from tool_registry_service.mcp_server.agents import HttpAgents
from tool_registry_service.mcp_server.door import McpDoor
from tool_registry_service.mcp_servers.changes import ChangedTools
from tool_registry_service.permissions.gate import Permissions
from tool_registry_service.permissions.repository import RuleReader
from tool_registry_service.policies.gate import HttpPolicies, PolicyGate
from tool_registry_service.records.retention import Retention
from tool_registry_service.registry import Registry
from tool_registry_service.settings import ToolsSettings
from tool_registry_service.wasm_tools.executor import WasmExecutor
from tool_registry_service.wasm_tools.parts import WasmTools

# A call of a registry that has just started waits so long for the policies, and is turned away then.
_POLICIES_WAIT_S = 10.0


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Calls no sibling and no MCP server; sessions open when they are first used."""
    settings = cast("ToolsSettings", app.state.settings)
    url = settings.database_url.get_secret_value()
    database = Database(url, pool_size=settings.database_pool_size)
    nats_token = settings.nats_token.get_secret_value() if settings.nats_token else None
    app.state.health_probes["database"] = database.answers
    async with (
        open_pool(url, max_size=settings.database_pool_size) as pool,
        EventBus(settings.nats_url, nats_token, name="tools") as bus,
        ServiceSession(settings.auth_url, "tools", settings.client_secret.get_secret_value()) as siblings,
        BackgroundTasks() as background,
    ):
        vault = HttpVault(siblings.client(settings.auth_url, "auth"))
        bearers, http_secrets = Bearers(vault), HttpSecrets(vault)
        relay = OutboxRelay(url, "tools", bus)
        oauth = OAuthTokens(vault, pool, settings)
        maker = TransportMaker(settings, StdioSandbox(settings.stdio_hidden), bearers, oauth)
        sessions = SessionPool(maker, settings, ChangedTools(database, relay).heard)
        presence = RunnerPresence(url, pool)
        app.state.event_bus = bus
        for name, work in ("outbox", relay.run), ("presence", presence.run), ("idle-sessions", sessions.reap):
            background.start(f"tools-{name}", work)
        wasm = app.state.wasm = WasmTools.of(settings, database, relay, pool)
        background.start("tools-wasm", wasm.pool.reap)
        mcp = WasmExecutor(wasm.pool, wasm.reader, McpExecutor(sessions))
        rows = InvocationRepository(pool)
        asked = siblings.client(settings.runtime_url, "runtime", own_connections=2 * MOST_ASKED)
        builtin = BuiltinParts.of(settings, pool, asked)
        background.start("tools-scratch-files", builtin.scratch_age.run)
        policies = _followed(app, siblings.client(settings.governance_url, "governance"), background)
        permissions = Permissions(RuleReader(pool), settings.denied)
        approvals = HttpApprovals(siblings.client(settings.governance_url, "governance"))
        background.start("tools-left-calls", LeftCalls(pool, approvals).keep_ending)
        parts = InvocationParts(
            until_ready=lambda: policies.wait_until_known(_POLICIES_WAIT_S),
            permissions=permissions,
            lookup=EveryTool(builtin.tools.callable, rows),
            gates=(PinnedDefinition(), PolicyGate(policies), ValidArguments()),
            approval=ApprovalStep(approvals),
            executors={"mcp": mcp, "http": HttpExecutor(settings, http_secrets), "builtin": builtin.tools},
            under_way=CallsUnderWay(),
        )
        limits = InvocationLimits(settings.max_result_bytes)
        invocations = InvocationService(rows, presence, parts, limits)
        background.start("tools-records", Retention(database, settings.calls_kept_days).run)
        direct_calls = DirectCallService(invocations, DirectCallRepository(pool), settings.calls_per_person)
        http_access = HttpAccess(settings, http_secrets)
        app.state.registry = Registry(
            database,
            maker,
            sessions,
            invocations,
            StoppingService(rows, presence, parts.under_way),
            permissions,
            direct_calls,
            relay,
            http_access,
            AuthorizationService(oauth, settings),
            builtin.tools,
        )
        background.start("tools-stopped-calls", app.state.registry.stopping.watch)
        management = siblings.client(settings.management_url, "management")
        agents = HttpAgents(management, siblings.client(settings.runtime_url, "runtime"), settings.runtime_url)
        app.state.mcp_door = McpDoor(settings, app.state.registry, agents, app.state.token_verifier, app.state.ending)
        background.start("tools-mcp", app.state.mcp_door.run)
        try:
            yield
        finally:
            await invocations.close()
            await sessions.close()
            builtin.pages.close()
            await wasm.pool.close()
            await maker.stdio.close()
            await database.close()


def _followed(app: FastAPI, governance: ServiceClient, background: BackgroundTasks) -> PolicyFeed:
    """The policies, read for as long as the app lives; news of them makes it sooner than the poll."""
    source = cast("ReadPolicies | None", app.state.policy_source)
    feed = PolicyFeed(source or HttpPolicies(governance))
    bus = cast("EventBus", app.state.event_bus)
    background.start("tools-policies", feed.run)
    background.start("tools-policy-news", lambda: bus.on_message(POLICY_SUBJECT, feed.wake))
    app.state.health_probes["policies"] = feed.answers
    return feed
