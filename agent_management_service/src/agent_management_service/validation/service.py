"""The validator as this platform applies it: its limits, and whether what a definition names is there."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import structlog

from agent_management_service.agents.repository import AgentRepository
from agent_management_service.clients import ModelAccounts, ToolCatalog
from agent_management_service.validation import references
from agent_management_service.validation.tools import tool_warnings
from kgents_shared.auth import Principal
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.db import Database
from kgents_shared.definitions.documents import Language
from kgents_shared.definitions.examine import Report, examine
from kgents_shared.definitions.limits import SystemLimits
from kgents_shared.definitions.places import with_places
from kgents_shared.definitions.suggestions import in_words
from kgents_shared.errors import ApiError, FaultItem

_log = structlog.get_logger("kgents.management.validation")
_MOST_MEANT: Final = 1000
AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class ValidationService:
    """Examines definitions for an owner."""

    limits: SystemLimits
    tools: ToolCatalog
    accounts: ModelAccounts
    database: Database

    def examine(self, body: bytes, language: Language) -> Report:
        """What holds for anybody on this platform."""
        return examine(body, language, self.limits)

    async def for_owner(self, report: Report, owner_id: str, caller: Principal) -> Report:
        """The report with what is to be said of the tools, credentials, providers and agents that are named.

        A caller is told of tools and credentials whose token may read them, and of providers where it may read models.
        """
        spec, document = report.spec, report.document
        if spec is None or document is None:
            return report
        asked = (self._tools(spec, owner_id, caller), self._credentials(spec, owner_id, caller))
        others = (self._providers(spec, caller), self._members(spec, owner_id))
        found = [fault for faults in await asyncio.gather(*asked, *others) for fault in faults]
        if not found:
            return report
        told = [in_words(fault, document) for fault in found]
        warnings = await asyncio.to_thread(with_places, document, [*report.warnings, *told])
        return replace(report, warnings=tuple(warnings))

    async def _tools(self, spec: AgentSpec, owner_id: str, caller: Principal) -> Iterable[FaultItem]:
        if not (spec.tools.allow or spec.tools.deny):
            return ()
        if "tools:read" not in caller.scopes:
            return [_tools_unchecked("the token lacks tools:read")]
        try:
            known = await self.tools.of_owner(owner_id)
        except ApiError as error:
            _log.warning("tools_unchecked", error=error.code)
            return [_tools_unchecked("the tool registry can't be asked right now")]
        # Hundreds of patterns by thousands of tools: others are served meanwhile.
        return await asyncio.to_thread(tool_warnings, spec, known.tools, known.capabilities)

    async def _credentials(self, spec: AgentSpec, owner_id: str, caller: Principal) -> Iterable[FaultItem]:
        named = references.credentials_named(spec)
        if not named:
            return ()
        places, why = list(named), "the token lacks credentials:read"
        if "credentials:read" in caller.scopes:
            known, why = await _answer(self.accounts.credentials(owner_id, sorted(set(named.values()))))
            if known is not None:
                return references.credential_warnings(spec, known)
        return [_unchecked(place, why) for place in places]

    async def _providers(self, spec: AgentSpec, caller: Principal) -> Iterable[FaultItem]:
        named = references.providers_named(spec)
        if not named or "models:read" not in caller.scopes:
            return ()
        known, why = await _answer(self.accounts.providers())
        if known is not None:
            return references.provider_warnings(spec, known)
        return [_unchecked(place, why) for place in named]

    async def _members(self, spec: AgentSpec, owner_id: str) -> Iterable[FaultItem]:
        names = references.members_named(spec)
        if not names:
            return ()
        async with self.database.reading() as session:
            agents = AgentRepository(session)
            statuses = await agents.statuses(owner_id, names)
            others: Sequence[str] = () if len(statuses) == len(names) else await agents.names(owner_id, _MOST_MEANT)
        # A team is no member of its own.
        return references.member_warnings(spec, statuses, [name for name in others if name != spec.name])


async def _answer(asked: Awaitable[AnswerT]) -> tuple[AnswerT | None, str]:
    """What a sibling answers, or None and why there is nothing."""
    try:
        return await asked, ""
    except ApiError as error:
        _log.warning("references_unchecked", error=error.code)
        return None, "the service that knows can't be asked right now"


def _tools_unchecked(why: str) -> FaultItem:
    return FaultItem(("tools",), f"were not looked up: {why}", "tools_unchecked", "try again, with tools:read")


def _unchecked(place: references.Loc, why: str) -> FaultItem:
    hint = "try again, with credentials:read and models:read"
    return FaultItem(place, f"was not looked up: {why}", "references_unchecked", hint)
