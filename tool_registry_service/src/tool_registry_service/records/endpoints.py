"""`/api/v1/tools/invocations`."""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import AwareDatetime

from kgents_shared.auth import OfOrganisation, owners_listed
from kgents_shared.contracts.tools import RecordedCall, RecordedCalls
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.routing import Router
from tool_registry_service.costs.schemas import Cost
from tool_registry_service.dependencies import RegistryDep, RuntimeOnly, ToolsRead
from tool_registry_service.errors import InvocationNotFound
from tool_registry_service.invocation.models import Invocation
from tool_registry_service.records.repository import InvocationFilter, calls_of, empty_calls
from tool_registry_service.records.schemas import InvocationView

router = Router(prefix="/api/v1/tools/invocations", tags=["tools"])
internal_router = Router(prefix="/internal/tools/calls", include_in_schema=False)


def _filter(
    agent: Annotated[str | None, Query(max_length=255, description="an agent's id or name")] = None,
    run: UUID | None = None,
    tool: Annotated[str | None, Query(max_length=255, description="a tool; * stands for anything")] = None,
    outcome: Annotated[str | None, Query(max_length=255, description="how it ended")] = None,
    principal: Annotated[str | None, Query(max_length=255, description="who asked")] = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    least_cost: Annotated[Decimal | None, Query(ge=0, max_digits=18, decimal_places=6)] = None,
) -> InvocationFilter:
    return InvocationFilter(agent, run, tool, outcome, principal, since, until, least_cost)


@router.get("")
async def list_invocations(
    page: PageQuery,
    principal: ToolsRead,
    registry: RegistryDep,
    wanted: Annotated[InvocationFilter, Depends(_filter)],
    organisation: OfOrganisation = None,
) -> Page[InvocationView]:
    """The calls of the tools of the caller and their organisations, newest first."""
    async with registry.records(owners_listed(principal, organisation)) as records:
        rows = await records.page(wanted, page)
        return make_page(rows, page, item=_view, key=lambda call: (str(call.id),))


@router.get("/{invocation_id}")
async def get_invocation(invocation_id: UUID, principal: ToolsRead, registry: RegistryDep) -> InvocationView:
    """One call of a tool."""
    async with registry.records(principal.owner_ids) as records:
        call = await records.find(invocation_id)
        if call is None:
            raise InvocationNotFound("There is no such call.")
        return _view(call)


@internal_router.get("")
async def calls_of_runs(
    run_id: Annotated[list[UUID], Query(min_length=1, max_length=100)], _: RuntimeOnly, registry: RegistryDep
) -> RecordedCalls:
    """What is known of the calls of some runs, whose traces the runtime shows to their owners."""
    async with registry.database.reading() as session:
        return RecordedCalls(calls=tuple(map(_recorded, await calls_of(session, run_id))))


@internal_router.delete("", status_code=204)
async def empty_calls_of_runs(
    run_id: Annotated[list[UUID], Query(min_length=1, max_length=100)], _: RuntimeOnly, registry: RegistryDep
) -> None:
    """Forget what was said in the calls of some runs: somebody is erased whose words those were told."""
    async with registry.database.transaction() as session:
        await empty_calls(session, run_id)


def _recorded(call: Invocation) -> RecordedCall:
    if call.run_id is None:
        raise ValueError("a call of a run has its id")
    return RecordedCall(
        run_id=call.run_id, tool_call_id=call.tool_call_id, outcome=call.outcome, side_effect=call.side_effect,
        denied_by=call.denied_by, approval_id=call.approval_id, result_bytes=call.result_bytes,
        latency_ms=call.latency_ms, cost=None if call.cost is None else f"{call.cost:f}",
        cost_currency=call.cost_currency, started_at=call.started_at, ended_at=call.ended_at,
    )  # fmt: skip


def _view(call: Invocation) -> InvocationView:
    cost = None if call.cost is None else Cost(amount=call.cost, currency=call.cost_currency or "USD")
    return InvocationView(
        id=call.id, owner_id=call.owner_id, principal=call.principal, agent_id=call.agent_id,
        agent_name=call.agent_name, agent_version=call.agent_version, run_id=call.run_id,
        conversation_id=call.conversation_id, tool_call_id=call.tool_call_id, tool=call.tool,
        side_effect=call.side_effect, arguments=call.arguments, outcome=call.outcome, is_error=call.is_error,
        denied_by=call.denied_by, approval_id=call.approval_id, result_bytes=call.result_bytes,
        latency_ms=call.latency_ms, cost=cost, started_at=call.started_at, ended_at=call.ended_at,
    )  # fmt: skip
