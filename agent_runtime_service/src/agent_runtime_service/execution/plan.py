"""What a version lets its run do, worked out once per instance and kept."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from uuid import UUID

import orjson
import structlog

from agent_runtime_service.budgets.bounds import bounds_of
from agent_runtime_service.clients import ToolRegistry
from agent_runtime_service.execution.active import RunPlan
from agent_runtime_service.execution.teams import most_steps, patterns_with_members, tools_with_members
from agent_runtime_service.gateway.service import ModelGateway
from agent_runtime_service.instances.directory import Instance
from agent_runtime_service.remote.plan import remote_models
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.tools import MemoryUse, ResolveToolsRequest, ToolPrice
from kgents_shared.contracts.worker import ToolDefinition
from kgents_shared.errors import ApiError

_log = structlog.get_logger("kgents.runtime.plan")
REFRESH_AFTER_S = 30.0


@dataclass(slots=True)
class _Kept:
    plan: RunPlan
    spec: AgentSpec
    made_at: float
    changes: int  # of tools that were known of before it was made
    renewal: "asyncio.Task[None] | None" = None


class Planner:
    """Plans by instance. A plan with tools is renewed in the background when it is older than `REFRESH_AFTER_S`, and
    before the next run where its owner's tools are known to have changed.
    """

    def __init__(self, gateway: ModelGateway, registry: ToolRegistry) -> None:
        self._gateway = gateway
        self._registry = registry
        self._kept: dict[UUID, _Kept] = {}
        self._changes: Counter[str | None] = Counter()

    async def plan(self, instance: Instance) -> RunPlan:
        """The plan for a run on `instance`; raises `Unavailable` where its tools were never known and can't be."""
        kept = self._kept.get(instance.instance_id)
        if kept is None or kept.spec is not instance.registration.spec:
            kept = await self._make(instance)
        elif kept.plan.patterns.allow and kept.changes != self._changes_of(kept.plan.owner_id):
            kept = await self._made_anew(instance, kept)
        elif kept.plan.patterns.allow and kept.renewal is None and _now() - kept.made_at > REFRESH_AFTER_S:
            kept.renewal = asyncio.create_task(self._renew(instance, kept))
        return kept.plan

    def tools_changed(self, owner_id: str | None) -> None:
        """The tools of this owner, or of everybody, are no longer what they were."""
        self._changes[owner_id] += 1

    def forget_all_but(self, known: set[UUID]) -> None:
        """Drop the plans of instances that are gone."""
        for instance_id in self._kept.keys() - known:
            del self._kept[instance_id]
        # Counted anew from nothing for an owner without plans, so that no number is met twice.
        owners = {kept.plan.owner_id for kept in self._kept.values()} | {None}
        for owner_id in self._changes.keys() - owners:
            del self._changes[owner_id]

    def _changes_of(self, owner_id: str) -> int:
        return self._changes[owner_id] + self._changes[None]

    async def _made_anew(self, instance: Instance, kept: _Kept) -> _Kept:
        try:
            return await self._make(instance)
        except ApiError as error:
            # The registry is away: what was known goes on, and it decides on each call anyway.
            _log.warning("tools_not_renewed", agent=instance.registration.agent_name, error=error.detail)
            return kept

    async def _renew(self, instance: Instance, kept: _Kept) -> None:
        try:
            await self._make(instance)
        except ApiError as error:
            _log.warning("tools_not_renewed", agent=instance.registration.agent_name, error=error.detail)
        finally:
            kept.renewal = None

    async def _make(self, instance: Instance) -> _Kept:
        registration = instance.registration
        spec = registration.spec
        tools: tuple[ToolDefinition, ...] = ()
        prices: dict[str, ToolPrice] = {}
        changes = self._changes_of(registration.owner_id)
        if spec.tools.allow:
            request = ResolveToolsRequest(
                owner_id=registration.owner_id,
                agent_name=registration.agent_name,
                allow=spec.tools.allow,
                deny=spec.tools.deny,
            )
            found = await self._registry.resolve(request)
            tools, prices = found.tools, found.prices
        tools = tools_with_members(spec, tools)
        models = remote_models(spec, registration.owner_id) or self._gateway.planned(spec.llm, registration.owner_id)
        wire = {
            "tools": [tool.model_dump(mode="json") for tool in tools],
            "llm": models[0].choice.model_dump(mode="json"),
            "fallbacks": [model.choice.model_dump(mode="json") for model in models[1:]],
            "max_steps": most_steps(spec),
            "window_tokens": spec.memory.window_tokens,
        }
        plan = RunPlan(
            version=registration.version,
            owner_id=registration.owner_id,
            models=models,
            tools=tools,
            memory=MemoryUse(scope=spec.memory.scope, semantic=spec.memory.semantic),
            patterns=patterns_with_members(spec),
            max_steps=most_steps(spec),
            wire=orjson.dumps(wire)[1:-1],
            bounds=bounds_of(registration.agent_id, registration.agent_name, spec.limits),
            cache_s=spec.llm.cache_s,
            is_team=spec.team is not None,
            tool_prices=prices,
        )
        kept = self._kept[instance.instance_id] = _Kept(plan, spec, _now(), changes)
        return kept


def _now() -> float:
    return asyncio.get_running_loop().time()
