"""The validator as this platform applies it: its limits, and the tools that the owner has."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from agent_management_service.clients import ToolCatalog
from agent_management_service.validation.tools import tool_warnings
from kgents_shared.definitions.documents import Language
from kgents_shared.definitions.examine import Report, examine
from kgents_shared.definitions.limits import SystemLimits
from kgents_shared.definitions.places import with_places
from kgents_shared.errors import ApiError, FaultItem

_log = structlog.get_logger("kgents.management.validation")


@dataclass(frozen=True, slots=True)
class ValidationService:
    """Examines definitions for an owner."""

    limits: SystemLimits
    tools: ToolCatalog

    def examine(self, body: bytes, language: Language) -> Report:
        """What holds for anybody on this platform."""
        return examine(body, language, self.limits)

    async def with_tools(self, report: Report, owner_id: str, *, may_read: bool) -> Report:
        """The report with what the owner's tools have to say; `may_read`: the caller may be told of them."""
        spec, document = report.spec, report.document
        if spec is None or document is None or not (spec.tools.allow or spec.tools.deny):
            return report
        found = await self._about_tools(report, owner_id) if may_read else [_unchecked("the token lacks tools:read")]
        warnings = await asyncio.to_thread(with_places, document, [*report.warnings, *found])
        return replace(report, warnings=tuple(warnings))

    async def _about_tools(self, report: Report, owner_id: str) -> Sequence[FaultItem]:
        try:
            known = await self.tools.of_owner(owner_id)
        except ApiError as error:
            _log.warning("tools_unchecked", error=error.code)
            return [_unchecked("the tool registry can't be asked right now")]
        # Hundreds of patterns by thousands of tools: others are served meanwhile.
        if report.spec is None:
            return []
        return await asyncio.to_thread(tool_warnings, report.spec, known.tools, known.capabilities)


def _unchecked(why: str) -> FaultItem:
    return FaultItem(("tools",), f"were not looked up: {why}", "tools_unchecked", "try again, with tools:read")
