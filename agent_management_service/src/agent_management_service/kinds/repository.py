"""All SQL on the tables of the kinds; every query is filtered by the owner."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Select, Text, cast, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from agent_management_service.kinds.errors import KindNameTaken, KindNotFound
from agent_management_service.kinds.kind import Kind
from agent_management_service.kinds.listing import KindFilter
from agent_management_service.kinds.models import BotRow, GhostRow, KindRow, ModelRow, ShellRow, TeamRow
from kgents_shared.auth import Reference
from kgents_shared.db import Cursor, new_id

RowT = TypeVar("RowT", bound=KindRow)
Columns = Mapping[str, Any]
MOST_USERS = 100


@dataclass(frozen=True, slots=True)
class KindRepository(Generic[RowT]):
    """The things of one kind of all owners, seen by one caller at a time."""

    session: AsyncSession
    kind: Kind
    row_type: type[RowT]

    async def add(self, owner_id: str, columns: Columns) -> RowT:
        """A new thing; `KindNameTaken` where the owner has that name, also against a racer."""
        statement = (
            insert(self.row_type)
            .values(id=new_id(), owner_id=owner_id, **columns)
            .on_conflict_do_nothing(index_elements=["owner_id", "name"])
            .returning(self.row_type)
        )
        row = await self.session.scalar(statement)
        if row is None:
            raise KindNameTaken(self.kind, str(columns["name"]))
        return row

    async def get(self, reference: Reference) -> RowT:
        """The thing that the caller means; `KindNotFound` where there is none."""
        return await self._one(self.meant(reference))

    async def lock(self, reference: Reference) -> RowT:
        """The same, with its row locked until the transaction ends."""
        return await self._one(self.meant(reference).with_for_update())

    async def replace(self, row: RowT, columns: Columns) -> None:
        """Put other content in place; `KindNameTaken` for a name that another one has."""
        name = str(columns["name"])
        try:
            async with self.session.begin_nested():
                for column, value in columns.items():
                    setattr(row, column, value)
                row.updated_at = datetime.now(UTC)
                await self.session.flush()
        except IntegrityError as error:
            raise KindNameTaken(self.kind, name) from error

    async def remove(self, row: RowT) -> None:
        """Delete it for good."""
        await self.session.execute(delete(self.row_type).where(self.row_type.id == row.id))

    async def page(
        self, owner_ids: Collection[str], wanted: KindFilter, limit: int, after: Cursor | None
    ) -> Sequence[RowT]:
        """Up to `limit + 1` of the owners' things after the cursor, in the order that was asked for."""
        table = self.row_type
        statement = select(table).where(table.owner_id.in_(owner_ids))
        for name, value in wanted.having.items():
            statement = statement.where(table.has(name, value))
        return (await self.session.scalars(wanted.page(statement, table, limit, after))).all()

    async def held(self, owner_id: str, ids: Collection[UUID]) -> set[UUID]:
        """Which of these the owner has; none of those can be deleted before the transaction ends."""
        table = self.row_type
        statement = (
            select(table.id)
            .where(table.owner_id == owner_id, table.id.in_(ids))
            .order_by(table.id)
            .with_for_update(read=True, key_share=True)
        )
        return set(await self.session.scalars(statement))

    async def having(self, owner_id: str, field: str, value: object) -> Sequence[RowT]:
        """Up to `MOST_USERS` of the owner's things with that value, by name."""
        table = self.row_type
        statement = select(table).where(table.owner_id == owner_id, table.has(field, value))
        return (await self.session.scalars(statement.order_by(table.name).limit(MOST_USERS))).all()

    def meant(self, reference: Reference) -> Select[RowT]:
        """The statement that finds what the caller means."""
        table = self.row_type
        statement = select(table).where(table.owner_id.in_(reference.owner_ids))
        if reference.id is not None:
            return statement.where(table.id == reference.id)
        return statement.where(table.name == reference.name)

    async def _one(self, statement: Select[RowT]) -> RowT:
        row = await self.session.scalar(statement)
        if row is None:
            raise KindNotFound(self.kind)
        return row


@dataclass(frozen=True, slots=True)
class BotParts:
    """A bot with what it refers to."""

    bot: BotRow
    ghost: GhostRow
    model: ModelRow
    shell: ShellRow


@dataclass(frozen=True, slots=True)
class TeamBots:
    """A team with its members' bots by id."""

    team: TeamRow
    bots: dict[UUID, BotRow]


@dataclass(frozen=True, slots=True)
class KindRepositories:
    """All kinds over one session."""

    ghosts: KindRepository[GhostRow]
    models: KindRepository[ModelRow]
    shells: KindRepository[ShellRow]
    bots: KindRepository[BotRow]
    teams: KindRepository[TeamRow]

    @staticmethod
    def over(session: AsyncSession) -> "KindRepositories":
        """The repositories of one transaction."""
        return KindRepositories(
            ghosts=KindRepository(session, Kind.GHOST, GhostRow),
            models=KindRepository(session, Kind.MODEL, ModelRow),
            shells=KindRepository(session, Kind.SHELL, ShellRow),
            bots=KindRepository(session, Kind.BOT, BotRow),
            teams=KindRepository(session, Kind.TEAM, TeamRow),
        )

    def of(self, kind: Kind) -> KindRepository[Any]:
        """The repository of a kind that is known by name alone."""
        found: KindRepository[Any] = getattr(self, kind.plural)
        return found

    async def bot_in_full(self, reference: Reference) -> BotParts:
        """A bot and what it refers to, read in one statement; `KindNotFound`."""
        statement = (
            self.bots.meant(reference)
            .add_columns(GhostRow, ModelRow, ShellRow)
            .join(GhostRow, GhostRow.id == BotRow.ghost_id)
            .join(ModelRow, ModelRow.id == BotRow.model_id)
            .join(ShellRow, ShellRow.id == BotRow.shell_id)
        )
        found = (await self.bots.session.execute(statement)).one_or_none()
        if found is None:
            raise KindNotFound(Kind.BOT)
        bot, ghost, model, shell = found
        return BotParts(bot, ghost, model, shell)

    async def team_in_full(self, reference: Reference) -> TeamBots:
        """A team and its members' bots, read in one statement; `KindNotFound`."""
        is_member = TeamRow.members.contains(
            func.jsonb_build_array(func.jsonb_build_object("bot_id", cast(BotRow.id, Text)))
        )
        statement = self.teams.meant(reference).add_columns(BotRow).join(BotRow, is_member)
        found = (await self.teams.session.execute(statement)).all()
        if not found:
            raise KindNotFound(Kind.TEAM)
        return TeamBots(found[0][0], {bot.id: bot for _, bot in found})
