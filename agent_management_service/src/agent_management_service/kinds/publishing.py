"""Publishing a bot or a team: its spec becomes the draft of the agent of its name, and that is published."""

from dataclasses import dataclass

from agent_management_service.agents.models import AgentRow
from agent_management_service.agents.service import AgentService
from agent_management_service.errors import AgentNotFound, NameTaken
from agent_management_service.flows.errors import FlowNotRunnable
from agent_management_service.kinds.compiling import Parts, of_the_shell, spec_of
from agent_management_service.kinds.errors import NotRunnable
from agent_management_service.kinds.kind import Kind
from agent_management_service.kinds.repository import BotParts, KindRepositories
from agent_management_service.publishing.service import PublishingService
from kgents_shared.auth import Reference
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.definitions.flows.compile import Flow
from kgents_shared.errors import FaultItem


@dataclass(frozen=True, slots=True)
class KindPublishing:
    """From kinds to agents that run, within one transaction that its caller commits."""

    kinds: KindRepositories
    agents: AgentService
    publishing: PublishingService

    async def publish_bot(self, reference: Reference) -> AgentRow:
        """Make or update the agent of the bot's name and publish it; `KindNotFound`, `NotRunnable`."""
        found = await self.kinds.bot_in_full(reference)
        return await self._publish_as(Kind.BOT, found.bot.name, found)

    async def publish_team(self, reference: Reference) -> AgentRow:
        """The same for a team of one bot; a team of several is `NotRunnable`."""
        # Locked, the team keeps its members, and they can't be deleted.
        team = await self.kinds.teams.lock(reference)
        if len(team.members) != 1:
            fault = FaultItem(
                ("members",),
                f"{len(team.members)} bots in {team.mode} mode are stored, but can't be run together here yet",
                "not_runnable",
                "keep one member, or publish the bots one by one",
            )
            raise NotRunnable(Kind.TEAM, team.name, [fault])
        found = await self.kinds.bot_in_full(Reference(frozenset({team.owner_id}), id=team.members[0]["bot_id"]))
        return await self._publish_as(Kind.TEAM, team.name, found)

    async def _publish_as(self, what: Kind, name: str, found: BotParts) -> AgentRow:
        parts = Parts(found.ghost, found.model, found.shell)
        spec = spec_of(what, name, parts, self.agents.limits)
        try:
            return await self._publish(found.bot.owner_id, spec, parts.flow)
        except FlowNotRunnable as error:
            raise NotRunnable(what, name, [of_the_shell(fault) for fault in error.errors]) from error

    async def _publish(self, owner_id: str, spec: AgentSpec, flow: Flow | None) -> AgentRow:
        agent = Reference(frozenset({owner_id}), name=spec.name)
        try:
            await self.agents.replace_draft(agent, spec, flow)
        except AgentNotFound:
            try:
                return await self.publishing.publish_new(await self.agents.create(owner_id, spec, flow))
            except NameTaken:
                # Somebody published the same at the same moment and was first.
                await self.agents.replace_draft(agent, spec, flow)
        return await self.publishing.publish(agent)
