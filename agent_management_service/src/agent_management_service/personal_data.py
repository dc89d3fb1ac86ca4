"""What this service keeps of a person, and what becomes of it when they are erased."""

from typing import cast

from fastapi import FastAPI

from agent_management_service.agents.repository import AgentRepository
from agent_management_service.flows.publishing import FlowGate
from agent_management_service.flows.repository import FlowRepository
from agent_management_service.metadata import SCHEMA
from agent_management_service.publishing.events import AgentEvents
from agent_management_service.publishing.service import PublishingService
from agent_management_service.versions.repository import VersionRepository
from kgents_shared.auth import Reference
from kgents_shared.db import Database
from kgents_shared.events import OutboxRelay
from kgents_shared.personal_data import PersonalData, PersonalTable

_OF_AGENT = "row.agent_id IN (SELECT id FROM agents.agents WHERE owner_id = %(subject)s)"
_OF_PROFILE = "row.profile_id IN (SELECT id FROM agents.profiles WHERE owner_id = %(subject)s)"

PERSONAL_DATA = PersonalData(
    schema=SCHEMA,
    tables=(
        PersonalTable("attestations", f"{_OF_PROFILE} OR row.attester->>'id' = %(subject)s"),
        PersonalTable("profiles"),
        PersonalTable("wrappers"),
        PersonalTable("teams"),
        PersonalTable("bots"),
        PersonalTable("ghosts"),
        PersonalTable("models"),
        PersonalTable("shells"),
        PersonalTable("reloads", _OF_AGENT),
        PersonalTable("flows", _OF_AGENT),
        PersonalTable("versions", _OF_AGENT),
        PersonalTable("idempotency_keys", hidden=("request_hash",)),
        # The tombstone stays, so that who missed the event still learns that the agent is gone.
        PersonalTable("agents", becomes="draft = '{}', name = 'erased-' || row.id", gone_when="deleted_at IS NOT NULL"),
    ),
    impersonal={"outbox": "events on their way, gone once they are delivered"},
)


async def delete_agents(app: FastAPI, subject: str) -> None:
    """Delete a person's agents as they would themselves, so that what runs of them is torn down."""
    database = cast("Database", app.state.database)
    async with database.transaction() as session:
        agents = AgentRepository(session)
        gate = FlowGate(FlowRepository(session), app.state.shell_observer)
        publishing = PublishingService(agents, VersionRepository(session), AgentEvents(session), gate)
        for agent_id in await agents.ids_of(subject):
            await publishing.delete(Reference(frozenset({subject}), id=agent_id))
    cast("OutboxRelay", app.state.relay).wake()
