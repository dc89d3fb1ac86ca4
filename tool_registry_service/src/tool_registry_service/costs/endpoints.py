"""`/api/v1/tools/costs` and `/api/v1/tools/{name}/cost`."""

from datetime import UTC, datetime

from kgents_shared.auth import OfOrganisation, Principal, named, owners_listed
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.routing import Router
from tool_registry_service.costs.models import ToolCost
from tool_registry_service.costs.schemas import Cost, ToolCostView
from tool_registry_service.dependencies import RegistryDep, ToolsRead, ToolsWrite
from tool_registry_service.errors import CostNotSet, ToolNotFound
from tool_registry_service.registry import Registry

router = Router(prefix="/api/v1/tools", tags=["tools"])


@router.get("/costs")
async def list_tool_costs(
    page: PageQuery, principal: ToolsRead, registry: RegistryDep, organisation: OfOrganisation = None
) -> Page[ToolCostView]:
    """What calls of the tools of the caller and their organisations cost, as far as anybody said, by tool."""
    async with registry.costs(owners_listed(principal, organisation)) as costs:
        return make_page(await costs.page(page), page, item=_view, key=lambda cost: (cost.tool, cost.owner_id))


@router.put("/{name}/cost")
async def set_tool_cost(name: str, cost: Cost, principal: ToolsWrite, registry: RegistryDep) -> ToolCostView:
    """Say what one call of a tool costs: every call that goes out from now on is recorded with it.

    In the platform's currency it counts in the budgets of the agents that call it.
    """
    owner_id, tool = await _owned(principal, name, registry)
    row = ToolCost(
        owner_id=owner_id, tool=tool, amount=cost.amount, currency=cost.currency, updated_by=principal.subject,
        updated_at=datetime.now(UTC),
    )  # fmt: skip
    async with registry.costs([owner_id]) as costs:
        await costs.put(row)
    registry.relay.wake()
    return _view(row)


@router.delete("/{name}/cost", status_code=204)
async def remove_tool_cost(name: str, principal: ToolsWrite, registry: RegistryDep) -> None:
    """Forget what calls of a tool cost; what is recorded stays."""
    owner_id, tool = named(principal, name)
    if owner_id is not None:
        async with registry.costs([owner_id]) as costs:
            is_removed = await costs.remove(owner_id, tool)
        if is_removed:
            registry.relay.wake()
            return
    raise CostNotSet(f"Nobody said what {tool} costs.")


async def _owned(principal: Principal, name: str, registry: Registry) -> tuple[str, str]:
    owner_id, tool = named(principal, name)
    if owner_id is None or await registry.invocations.tool(owner_id, tool) is None:
        raise ToolNotFound(f"There is no tool named {tool}.")
    return owner_id, tool


def _view(row: ToolCost) -> ToolCostView:
    return ToolCostView(
        tool=row.tool, owner_id=row.owner_id, cost=Cost(amount=row.amount, currency=row.currency),
        updated_by=row.updated_by, updated_at=row.updated_at,
    )  # fmt: skip
