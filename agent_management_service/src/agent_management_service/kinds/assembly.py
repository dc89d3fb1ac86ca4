"""The services of the kinds over one transaction."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from agent_management_service.agents.repository import AgentRepository
from agent_management_service.agents.service import AgentService
from agent_management_service.kinds.compiling import parts_of
from agent_management_service.kinds.events import KindEvents
from agent_management_service.kinds.hooks import HookRegistry, HookWork
from agent_management_service.kinds.kind import Kind
from agent_management_service.kinds.models import BotRow, GhostRow, ModelRow, ShellRow, TeamRow
from agent_management_service.kinds.publishing import KindPublishing
from agent_management_service.kinds.repository import BotParts, KindRepositories, KindRepository
from agent_management_service.kinds.rules import platform_hooks
from agent_management_service.kinds.service import KindService
from agent_management_service.profiles.models import ProfileRow
from agent_management_service.profiles.repository import AttestationRepository
from agent_management_service.profiles.rules import add_profile_hooks
from agent_management_service.profiles.service import ProfileReading
from agent_management_service.publishing.service import PublishingService
from agent_management_service.wrappers.models import WrapperRow
from agent_management_service.wrappers.rules import add_wrapper_hooks
from kgents_shared.contracts.agent_spec import AgentSpec


def all_hooks() -> HookRegistry:
    """The hooks of the platform, for the kinds and for wrappers and profiles."""
    hooks = platform_hooks()
    add_wrapper_hooks(hooks)
    add_profile_hooks(hooks)
    return hooks


_HOOKS = all_hooks()


@dataclass(frozen=True, slots=True)
class Kinds:
    """What endpoints call."""

    stored: KindRepositories
    ghosts: KindService[GhostRow]
    models: KindService[ModelRow]
    shells: KindService[ShellRow]
    bots: KindService[BotRow]
    teams: KindService[TeamRow]
    publishing: KindPublishing
    wrappers: KindService[WrapperRow]
    profiles: KindService[ProfileRow]
    profile_reading: ProfileReading

    @staticmethod
    def over(session: AsyncSession, agents: AgentService, publishing: PublishingService) -> "Kinds":
        """The services of one transaction."""
        stored = KindRepositories.over(session)
        work = HookWork(stored, KindEvents(session))
        return Kinds(
            stored=stored,
            ghosts=KindService(stored.ghosts, _HOOKS, work),
            models=KindService(stored.models, _HOOKS, work),
            shells=KindService(stored.shells, _HOOKS, work),
            bots=KindService(stored.bots, _HOOKS, work),
            teams=KindService(stored.teams, _HOOKS, work),
            publishing=KindPublishing(stored, agents, publishing),
            wrappers=KindService(KindRepository(session, Kind.WRAPPER, WrapperRow), _HOOKS, work),
            profiles=KindService(KindRepository(session, Kind.PROFILE, ProfileRow), _HOOKS, work),
            profile_reading=ProfileReading(AgentRepository(session), AttestationRepository(session)),
        )

    async def take_apart(self, owner_id: str, spec: AgentSpec) -> BotParts:
        """A bot that makes this agent, with a ghost, a model and a shell of its name; `KindNameTaken`."""
        ghost, model, shell = parts_of(spec)
        ghost_row = await self.ghosts.create(owner_id, ghost.model_dump())
        model_row = await self.models.create(owner_id, model.model_dump())
        shell_row = await self.shells.create(owner_id, shell.model_dump(mode="json"))
        ids: dict[str, UUID | str] = {
            "name": spec.name,
            "ghost_id": ghost_row.id,
            "model_id": model_row.id,
            "shell_id": shell_row.id,
        }
        return BotParts(await self.bots.create(owner_id, ids), ghost_row, model_row, shell_row)
