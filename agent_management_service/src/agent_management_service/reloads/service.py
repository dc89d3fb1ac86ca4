"""The rules of reloads: draft and version in one step, or nothing but a note of what is wrong."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from agent_management_service.agents.models import AgentRow, AgentStatus
from agent_management_service.agents.repository import AgentRepository
from agent_management_service.agents.service import AgentService
from agent_management_service.errors import AgentNotFound
from agent_management_service.publishing.service import PublishingService
from agent_management_service.reloads.models import ReloadRow, ReloadState
from agent_management_service.reloads.repository import ReloadRepository
from agent_management_service.versions.service import VersionService
from kgents_shared.auth import Reference
from kgents_shared.definitions.reading import Definition
from kgents_shared.errors import FaultItem

Reloaded = tuple[AgentRow, ReloadRow | None]
# What JSON can write in a name, and PostgreSQL's can't hold.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ReloadService:
    """Reloads, within one transaction that its caller commits."""

    agents: AgentRepository
    drafts: AgentService
    comparing: VersionService
    publishing: PublishingService
    reloads: ReloadRepository

    async def last(self, reference: Reference) -> Reloaded:
        """The agent and its last reload. `AgentNotFound`."""
        row = await self.agents.get(reference)
        return row, await self.reloads.last(row.id)

    async def reload(self, reference: Reference, definition: Definition, source: str | None) -> Reloaded:
        """Make the definition the draft, and publish it unless it runs already. `AgentNotFound`, `NameIsFixed`."""
        async with self.reloads.attempt():
            row = await self.drafts.replace_draft(reference, definition.spec, definition.flow)
            before = row.version
            changes = await self.comparing.unpublished_changes(row)
            runs_already = row.status == AgentStatus.PUBLISHED and not changes
            if not runs_already:
                await self.publishing.publish(reference)
        kept = ReloadRow(
            agent_id=row.id,
            state=ReloadState.UNCHANGED if runs_already else ReloadState.RELOADED,
            source=source,
            version_before=before,
            version=row.version,
            changes=[change.model_dump() for change in changes],
            errors=[],
            at=datetime.now(UTC),
        )
        return row, await self.reloads.keep(kept)

    async def refuse(self, reference: Reference, faults: Sequence[FaultItem], source: str | None) -> None:
        """Note that a definition was refused. Where there is no such agent there is nothing to note it of."""
        try:
            row = await self.agents.lock(reference)
        except AgentNotFound:
            return
        kept = ReloadRow(
            agent_id=row.id,
            state=ReloadState.REFUSED,
            source=source,
            version_before=row.version,
            version=row.version,
            changes=[],
            errors=[_storable(fault).as_json() for fault in faults],
            at=datetime.now(UTC),
        )
        await self.reloads.keep(kept)


def _storable(fault: FaultItem) -> FaultItem:
    """The fault with such characters made visible: `\\x00` for NUL."""
    loc = tuple(_visible(part) if isinstance(part, str) else part for part in fault.loc)
    hint = None if fault.hint is None else _visible(fault.hint)
    return replace(fault, loc=loc, msg=_visible(fault.msg), hint=hint)


def _visible(text: str) -> str:
    return _UNSTORABLE.sub(lambda found: ascii(found[0])[1:-1], text)
