"""All SQL about rules and capabilities, and the counting of what they denied."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Date, cast, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from kgents_shared.db import HotPool, PageRequest, id_in
from tool_registry_service.invocation.models import Invocation
from tool_registry_service.permissions.decision import LevelRules, OwnerRules
from tool_registry_service.permissions.models import EVERYBODY, PermissionRule, ToolCapability

Marks = tuple[tuple[str, int], ...]

_MARKS = "SELECT owner_id, mark FROM tools.permission_marks WHERE owner_id IN ('', %s) ORDER BY owner_id"
_RULES = "SELECT owner_id, agent, effect, pattern FROM tools.permission_rules WHERE owner_id IN ('', %s) ORDER BY id"
# The owner's own come last, and so go over the platform's of the same name.
_CAPABILITIES = "SELECT owner_id, name, patterns FROM tools.capabilities WHERE owner_id IN ('', %s) ORDER BY owner_id"


class RuleReader:
    """Rules as calls need them: plain statements, since they stand on a message's path."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def marks(self, owner_id: str) -> Marks:
        """What changes whenever a rule or capability does that an owner's calls are held against."""
        return tuple((owner, mark) for owner, mark in await self._all(_MARKS, owner_id))

    async def rules(self, owner_id: str) -> OwnerRules:
        """All that is said of an owner's calls."""
        found: dict[tuple[str, str], dict[str, list[str]]] = {}
        for owner, agent, effect, pattern in await self._all(_RULES, owner_id):
            found.setdefault((owner, agent), {"allow": [], "deny": []})[effect].append(pattern)
        levels = {key: LevelRules(tuple(of["allow"]), tuple(of["deny"])) for key, of in found.items()}
        named = [(owner, name, tuple(patterns)) for owner, name, patterns in await self._all(_CAPABILITIES, owner_id)]
        return OwnerRules(
            system=levels.pop((EVERYBODY, ""), LevelRules()),
            owner=levels.pop((owner_id, ""), LevelRules()),
            agents={agent: rules for (_, agent), rules in levels.items()},
            capabilities={name: patterns for _, name, patterns in named},
            platform_capabilities={name: patterns for owner, name, patterns in named if owner == EVERYBODY},
        )

    async def _all(self, query: str, owner_id: str) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(query, (owner_id,))  # pyright: ignore[reportArgumentType]
            return await cursor.fetchall()


@dataclass(frozen=True, slots=True)
class RuleFilter:
    """Which rules a list shows."""

    effect: str | None = None
    agent: str | None = None


class PermissionRepository:
    """Rules and capabilities of some owners; `EVERYBODY` is one of them where the platform's are meant."""

    def __init__(self, session: AsyncSession, owner_ids: Collection[str]) -> None:
        self._session = session
        self._owner_ids = owner_ids

    async def page(self, wanted: RuleFilter, request: PageRequest) -> Sequence[PermissionRule]:
        """`limit + 1` rules, newest first."""
        query = select(PermissionRule).where(PermissionRule.owner_id.in_(self._owner_ids))
        if wanted.effect is not None:
            query = query.where(PermissionRule.effect == wanted.effect)
        if wanted.agent is not None:
            query = query.where(PermissionRule.agent == wanted.agent)
        if request.after is not None:
            query = query.where(PermissionRule.id < id_in(request.after))
        query = query.order_by(PermissionRule.id.desc()).limit(request.limit + 1)
        return (await self._session.scalars(query)).all()

    async def add(self, values: Mapping[str, Any]) -> PermissionRule | None:
        """A new rule; None where there is one like it, also against a racer."""
        return await self._session.scalar(
            insert(PermissionRule).values(values).on_conflict_do_nothing().returning(PermissionRule)
        )

    async def of_level(self, owner_id: str, agent: str) -> Sequence[PermissionRule]:
        """The rules of one level."""
        query = select(PermissionRule).where(PermissionRule.owner_id == owner_id, PermissionRule.agent == agent)
        return (await self._session.scalars(query)).all()

    async def counted(self, owner_id: str) -> int:
        """How many rules there are for an owner."""
        query = select(func.count()).where(PermissionRule.owner_id == owner_id)
        return await self._session.scalar(query) or 0

    async def remove(self, rule_id: UUID) -> bool:
        """Forget a rule; False where there is none."""
        query = delete(PermissionRule).where(PermissionRule.id == rule_id, PermissionRule.owner_id.in_(self._owner_ids))
        return await self._session.scalar(query.returning(PermissionRule.id)) is not None

    async def naming(self, owner_id: str, pattern: str) -> bool:
        """Whether a rule of an owner, or anybody's where it is for everybody, names a pattern."""
        query = select(PermissionRule.id).where(PermissionRule.pattern == pattern)
        if owner_id != EVERYBODY:
            query = query.where(PermissionRule.owner_id == owner_id)
        return await self._session.scalar(query.limit(1)) is not None

    async def capabilities(self) -> Sequence[ToolCapability]:
        """All of them, by name."""
        query = select(ToolCapability).where(ToolCapability.owner_id.in_(self._owner_ids))
        return (await self._session.scalars(query.order_by(ToolCapability.name, ToolCapability.owner_id))).all()

    async def capability(self, owner_id: str, name: str) -> ToolCapability | None:
        """An owner's capability."""
        return await self._session.get(ToolCapability, (owner_id, name))

    async def put_capability(self, values: Mapping[str, Any]) -> tuple[ToolCapability, bool]:
        """Make or change one; True where it is new."""
        statement = insert(ToolCapability).values(values)
        changed = {name: statement.excluded[name] for name in ("description", "patterns", "updated_by", "updated_at")}
        is_new = await self.capability(values["owner_id"], values["name"]) is None
        row = await self._session.scalar(
            statement.on_conflict_do_update(index_elements=["owner_id", "name"], set_=changed)
            .returning(ToolCapability)
            .execution_options(populate_existing=True)
        )
        assert row is not None  # noqa: S101 -- an upsert returns its row
        return row, is_new

    async def remove_capability(self, owner_id: str, name: str) -> bool:
        """Forget one; False where there is none."""
        query = delete(ToolCapability).where(ToolCapability.owner_id == owner_id, ToolCapability.name == name)
        return await self._session.scalar(query.returning(ToolCapability.name)) is not None


@dataclass(frozen=True, slots=True)
class DenialFilter:
    """Which denials are counted."""

    agent: str | None = None
    tool: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class DenialCount:
    """How often one rule or policy denied one agent (None: a call without one) one tool on one day (UTC)."""

    day: date
    owner_id: str
    agent: str | None
    tool: str
    level: str | None
    pattern: str | None
    policy: str | None
    rule: str | None
    count: int


class DenialRepository:
    """What was denied to some owners' calls, counted from the calls' own rows."""

    def __init__(self, session: AsyncSession, owner_ids: Collection[str]) -> None:
        self._session = session
        self._owner_ids = owner_ids

    async def counts(self, wanted: DenialFilter, most: int) -> Sequence[DenialCount]:
        """The newest days first, and of a day what was denied most."""
        day = cast(func.timezone("UTC", Invocation.started_at), Date)
        by = [Invocation.denied_by[name].as_string() for name in ("level", "pattern", "policy", "rule")]
        groups = [day, Invocation.owner_id, Invocation.agent_name, Invocation.tool, *by]
        query = select(*groups, func.count()).where(
            Invocation.owner_id.in_(self._owner_ids), Invocation.outcome == "denied"
        )
        if wanted.agent is not None:
            query = query.where(Invocation.agent_name == wanted.agent)
        if wanted.tool is not None:
            query = query.where(Invocation.tool == wanted.tool)
        if wanted.since is not None:
            query = query.where(Invocation.started_at >= wanted.since)
        if wanted.until is not None:
            query = query.where(Invocation.started_at < wanted.until)
        query = query.group_by(*groups).order_by(day.desc(), func.count().desc(), Invocation.tool).limit(most)
        return [DenialCount(*row) for row in (await self._session.execute(query)).all()]
