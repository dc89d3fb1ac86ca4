"""The events of attestations, each on the transaction of the change that it tells of."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from agent_management_service.metadata import OUTBOX, SCHEMA
from agent_management_service.profiles.models import AttestationRow, ProfileRow
from kgents_shared.contracts.model import Contract
from kgents_shared.events import add_to_outbox, make_event


class AttestationChanged(Contract):
    """Which attestation; its content is read over the API by who may."""

    id: UUID
    profile_id: UUID
    agent_id: UUID
    owner_id: str


@dataclass(frozen=True, slots=True)
class AttestationEvents:
    """Writes `attestation.made` and `attestation.revoked` to the outbox."""

    session: AsyncSession

    async def tell(self, what: Literal["made", "revoked"], profile: ProfileRow, row: AttestationRow) -> None:
        """Tell of one change."""
        data = AttestationChanged(
            id=row.id, profile_id=profile.id, agent_id=UUID(row.agent["id"]), owner_id=profile.owner_id
        )
        await add_to_outbox(self.session, OUTBOX, make_event(SCHEMA, f"attestation.{what}", str(row.id), data))
