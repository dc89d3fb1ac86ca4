"""All SQL about tools, beside the invocation's own."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, false, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from kgents_shared.db import PageRequest
from tool_registry_service.calls import ToolKind
from tool_registry_service.http_tools.models import HttpApi
from tool_registry_service.mcp_servers.models import McpServer
from tool_registry_service.tools.models import Tool, ToolState, ToolVersion


@dataclass(frozen=True, slots=True)
class ToolFilter:
    """Which tools are asked for: `text` is words of the name or the description; one of `patterns` covers the name."""

    server_id: UUID | None = None
    text: str | None = None
    kind: ToolKind | None = None
    state: ToolState | None = None
    patterns: Collection[str] | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """As SQL."""
        found: list[ColumnElement[bool]] = []
        if self.server_id is not None:
            found.append(Tool.server_id == self.server_id)
        if self.kind is not None:
            found.append(Tool.kind == self.kind)
        if self.state is not None:
            found.append(Tool.state == self.state)
        if self.patterns is not None:
            found.append(or_(false(), *(Tool.name.like(_like(pattern), escape="/") for pattern in self.patterns)))
        if self.text is not None:
            # A name's parts are words of their own; what is only part of a word is found in names.
            words = func.to_tsvector("english", func.translate(Tool.name, "._-", "   ") + " " + Tool.description)
            asked = words.op("@@")(func.websearch_to_tsquery("english", self.text))
            found.append(or_(asked, Tool.name.icontains(self.text, autoescape=True)))
        return found


def _like(pattern: str) -> str:
    """A pattern of tools, in which `*` stands for any characters, as LIKE has it."""
    escaped = pattern.replace("/", "//").replace("%", "/%").replace("_", "/_")
    return escaped.replace("*", "%")


class ToolRepository:
    """The tools of some owners."""

    def __init__(self, session: AsyncSession, owner_ids: Collection[str]) -> None:
        self._session = session
        self._owner_ids = owner_ids

    async def add(self, tools: Iterable[Tool]) -> None:
        """Store new tools."""
        self._session.add_all(tools)
        await self._session.flush()

    async def of_server(self, server_id: UUID) -> Sequence[Tool]:
        """Every tool of a server, by name."""
        query = select(Tool).where(Tool.owner_id.in_(self._owner_ids), Tool.server_id == server_id)
        return (await self._session.execute(query.order_by(Tool.name))).scalars().all()

    async def of_api(self, api_id: UUID) -> Sequence[Tool]:
        """Every tool of an imported API, by name."""
        query = select(Tool).where(Tool.owner_id.in_(self._owner_ids), Tool.api_id == api_id)
        return (await self._session.execute(query.order_by(Tool.name))).scalars().all()

    async def claim_first_name(self, owner_id: str, name: str) -> frozenset[str]:
        """Who of an owner has a name already: a server, an API, single tools that begin with it.

        Nobody else takes it until the transaction ends.
        """
        await self._session.execute(
            select(func.pg_advisory_xact_lock(func.hashtext(f"kgents.tools {owner_id} {name}")))
        )
        asked = {
            "server": select(McpServer.id).where(McpServer.owner_id == owner_id, McpServer.name == name),
            "api": select(HttpApi.id).where(HttpApi.owner_id == owner_id, HttpApi.name == name),
            "tools": select(Tool.id).where(
                Tool.owner_id == owner_id, Tool.name.startswith(f"{name}.", autoescape=True),
                Tool.server_id.is_(None), Tool.api_id.is_(None),
            ),
        }  # fmt: skip
        found = {kind: (await self._session.execute(query.limit(1))).first() for kind, query in asked.items()}
        return frozenset(kind for kind, row in found.items() if row is not None)

    async def settled(self, tool: Tool) -> Tool:
        """The tool as the database has it after a change."""
        await self._session.flush()
        await self._session.refresh(tool)
        return tool

    async def remove(self, tool: Tool) -> None:
        """Delete a tool."""
        await self._session.delete(tool)
        await self._session.flush()

    async def find(self, name: str, *, lock: bool = False) -> Tool | None:
        """The tool of this full name; owners of several names alike are asked one at a time."""
        query = select(Tool).where(Tool.owner_id.in_(self._owner_ids), Tool.name == name)
        return (await self._session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()

    async def find_remote(self, server_id: UUID, remote_name: str) -> Tool | None:
        """The tool that a server calls `remote_name`, held until the transaction ends."""
        query = select(Tool).where(
            Tool.owner_id.in_(self._owner_ids), Tool.server_id == server_id, Tool.remote_name == remote_name
        )
        return (await self._session.execute(query.with_for_update())).scalar_one_or_none()

    async def all(self) -> Sequence[Tool]:
        """Every tool, by name."""
        query = select(Tool).where(Tool.owner_id.in_(self._owner_ids)).order_by(Tool.name)
        return (await self._session.execute(query)).scalars().all()

    async def active(self) -> Sequence[Tool]:
        """Every tool that can be called, by name."""
        query = select(Tool).where(Tool.owner_id.in_(self._owner_ids), Tool.state == "active")
        return (await self._session.execute(query.order_by(Tool.name))).scalars().all()

    async def versions(self, tool_id: UUID, request: PageRequest) -> Sequence[ToolVersion]:
        """`limit + 1` pinned definitions of a tool, newest first."""
        query = select(ToolVersion).where(ToolVersion.tool_id == tool_id, ToolVersion.owner_id.in_(self._owner_ids))
        if request.after is not None:
            query = query.where(ToolVersion.version < int(request.after[0]))
        rows = await self._session.execute(query.order_by(ToolVersion.version.desc()).limit(request.limit + 1))
        return rows.scalars().all()

    async def page(self, request: PageRequest, wanted: ToolFilter) -> Sequence[Tool]:
        """`limit + 1` tools by name."""
        query = select(Tool).where(Tool.owner_id.in_(self._owner_ids), *wanted.conditions())
        if request.after is not None:
            # The last one of the page before may be a builtin tool, which has no id.
            after_id = UUID(request.after[1]) if request.after[1] else UUID(int=0)
            query = query.where(tuple_(Tool.name, Tool.id) > (request.after[0], after_id))
        return (
            (await self._session.execute(query.order_by(Tool.name, Tool.id).limit(request.limit + 1))).scalars().all()
        )
