"""What holds around each change of a wrapper: its agent exists and isn't its own, and goes with it if it is."""

from contextlib import suppress
from uuid import UUID

from agent_management_service.agents.repository import AgentRepository
from agent_management_service.clients import NoShells
from agent_management_service.errors import AgentNotFound, NameIsFixed
from agent_management_service.flows.publishing import FlowGate
from agent_management_service.flows.repository import FlowRepository
from agent_management_service.kinds.errors import ReferenceMissing
from agent_management_service.kinds.hooks import Change, HookRegistry, HookWork, Moment
from agent_management_service.kinds.kind import Kind
from agent_management_service.publishing.events import AgentEvents
from agent_management_service.publishing.service import PublishingService
from agent_management_service.versions.repository import VersionRepository
from agent_management_service.wrappers.models import WrapperRow
from kgents_shared.auth import Reference
from kgents_shared.errors import FaultItem, InvalidInput


async def agent_exists(work: HookWork, _: Moment, change: Change) -> None:
    """The agent that is named is the owner's; `ReferenceMissing`."""
    agent_id: UUID | None = (change.columns or {})["agent_id"]
    if agent_id is None:
        return
    try:
        await AgentRepository(work.events.session).get(Reference(frozenset({change.owner_id}), id=agent_id))
    except AgentNotFound as error:
        msg, hint = "there is no such agent of this owner", "list them with GET /agents"
        raise ReferenceMissing(change.kind, [FaultItem(("agent_id",), msg, "reference_missing", hint)]) from error


async def deployed_stays_itself(_: HookWork, __: Moment, change: Change) -> None:
    """A deployed wrapper keeps its name, which its agent has, and doesn't wrap that agent."""
    row, columns = change.row, change.columns or {}
    if not isinstance(row, WrapperRow) or row.deployed_agent_id is None:
        return
    if columns["name"] != row.name:
        raise NameIsFixed(row.name)
    if columns["agent_id"] == row.deployed_agent_id:
        msg, hint = "is the agent that this wrapper was deployed as", "name another agent"
        fault = FaultItem(("agent_id",), msg, "wraps_itself", hint)
        raise InvalidInput("A wrapper can't be over its own agent.", errors=[fault])


async def tear_down(work: HookWork, _: Moment, change: Change) -> None:
    """What the wrapper was deployed as goes with it."""
    row, session = change.row, work.events.session
    if not isinstance(row, WrapperRow) or row.deployed_agent_id is None:
        return
    gate = FlowGate(FlowRepository(session), NoShells())
    publishing = PublishingService(AgentRepository(session), VersionRepository(session), AgentEvents(session), gate)
    with suppress(AgentNotFound):  # its owner was first
        await publishing.delete(Reference(frozenset({row.owner_id}), id=row.deployed_agent_id))


def add_wrapper_hooks(hooks: HookRegistry) -> None:
    """The hooks that every change of a wrapper goes through."""
    hooks.add(agent_exists, [Moment.PRE_CREATE, Moment.PRE_UPDATE], [Kind.WRAPPER])
    hooks.add(deployed_stays_itself, [Moment.PRE_UPDATE], [Kind.WRAPPER])
    hooks.add(tear_down, [Moment.POST_DELETE], [Kind.WRAPPER])
