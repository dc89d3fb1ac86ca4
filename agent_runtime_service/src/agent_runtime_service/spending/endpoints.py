"""`GET /api/v1/usage`: what models took, summed from the calls themselves."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final

from fastapi import Query

from agent_runtime_service.dependencies import AgentFinderDep, UsageRead, UsageRepositoryDep
from agent_runtime_service.messages.finder import meant_agent
from agent_runtime_service.spending.repository import UsageQuery
from agent_runtime_service.spending.schemas import By, UsageSums
from kgents_shared.errors import Forbidden
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/usage", tags=["usage"])
_GOVERN: Final = "platform:govern"
_DAYS: Final = 30


@router.get("", responses=refusals(404))
async def sum_usage(
    principal: UsageRead,
    usage: UsageRepositoryDep,
    finder: AgentFinderDep,
    by: Annotated[By, Query(description="one sum for each of these")] = "agent",
    since: Annotated[date | None, Query(description="from this day on (UTC); 30 days where absent")] = None,
    until: Annotated[date | None, Query(description="up to and with this day (UTC); today where absent")] = None,
    agent: Annotated[str | None, Query(max_length=200, description="one agent's calls alone")] = None,
    everybodys: Annotated[bool, Query(description="the whole platform's; needs platform:govern")] = False,
) -> UsageSums:
    """Calls, tokens and money: the caller's runs, and what everybody's runs took of the caller's agents."""
    if everybodys and _GOVERN not in principal.scopes:
        raise Forbidden(f"Everybody's usage needs the scope {_GOVERN}.")
    last = until or datetime.now(UTC).date()
    first = since or last - timedelta(days=_DAYS)
    query = UsageQuery(
        owners=principal.owner_ids,
        since=_midnight(first),
        until=_midnight(last) + timedelta(days=1),
        agent_id=None if agent is None else await finder.agent_id(meant_agent(principal, agent)),
        everybodys=everybodys,
    )
    return UsageSums(items=await usage.sums(by, query))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
