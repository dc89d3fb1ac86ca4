"""Publishing a bot or a team: its spec becomes the draft of the agent of its name, and that is published."""

from dataclasses import dataclass
from typing import Any

from agent_management_service.agents.models import AgentRow
from agent_management_service.agents.service import AgentService
from agent_management_service.errors import AgentNotFound, NameTaken
from agent_management_service.flows.errors import FlowNotRunnable
from agent_management_service.kinds.compiling import Parts, of_the_shell, spec_of
from agent_management_service.kinds.errors import NotRunnable
from agent_management_service.kinds.kind import Kind
from agent_management_service.kinds.repository import BotParts, KindRepositories
from agent_management_service.kinds.teams import BotTeam, TeamMember, team_spec
from agent_management_service.publishing.service import PublishingService
from kgents_shared.auth import Reference
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.definitions.flows.compile import Flow


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
        """The same for a team. Of several bots the members are published first, each as the agent of its name."""
        # Locked, the team keeps its members, and they can't be deleted.
        team = await self.kinds.teams.lock(reference)
        members = [await self._member(team.owner_id, member) for member in team.members]
        if len(members) == 1:
            return await self._publish_as(Kind.TEAM, team.name, members[0].found)
        whole = BotTeam.of(team.name, team.mode, members)
        specs = [self._spec(Kind.BOT, one.found.bot.name, one.found) for one in whole.members]
        spec = team_spec(whole, specs, self.agents.limits)
        for one in whole.members:
            await self._publish_as(Kind.BOT, one.found.bot.name, one.found)
        return await self._publish(team.owner_id, spec, None)

    async def _member(self, owner_id: str, member: dict[str, Any]) -> TeamMember:
        found = await self.kinds.bot_in_full(Reference(frozenset({owner_id}), id=member["bot_id"]))
        return TeamMember(found, member.get("role"))

    def _spec(self, what: Kind, name: str, found: BotParts) -> AgentSpec:
        return spec_of(what, name, Parts(found.ghost, found.model, found.shell), self.agents.limits)

    async def _publish_as(self, what: Kind, name: str, found: BotParts) -> AgentRow:
        spec = self._spec(what, name, found)
        flow = Parts(found.ghost, found.model, found.shell).flow
        try:
            return await self._publish(found.bot.owner_id, spec, flow)
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
