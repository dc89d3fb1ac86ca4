"""The hooks around each change: when they run, what they are told, and that they stand or fall with the change."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from agent_management_service.kinds.events import KindEvents
from agent_management_service.kinds.hooks import Change, HookRegistry, HookWork, Moment
from agent_management_service.kinds.kind import Kind
from agent_management_service.kinds.models import GhostRow
from agent_management_service.kinds.repository import KindRepositories
from agent_management_service.kinds.service import KindService
from agent_management_service.settings import ManagementSettings
from kgents_shared.auth import Reference
from kgents_shared.contracts.events import CloudEvent
from kgents_shared.db import Database
from kgents_shared.errors import Conflict
from kgents_shared.events import ConsumerSpec, DurableConsumer, EventBus
from kgents_shared.http.background import BackgroundTasks
from kgents_shared.testing.polling import eventually

from .conftest import KINDS, Make, path_of

COLUMNS = {"name": "watched", "description": "", "system_prompt": "You help."}


@dataclass
class Seen:
    """A hook that keeps what it is told, and refuses at one moment where that is wanted."""

    refuse_at: Moment | None = None
    told: list[tuple[Moment, str | None, bool]] = field(default_factory=list[tuple[Moment, str | None, bool]])

    async def __call__(self, work: HookWork, moment: Moment, change: Change) -> None:
        stored = bool(await work.kinds.ghosts.having(change.owner_id, "name", "watched"))
        self.told.append((moment, None if change.row is None else change.row.name, stored))
        if moment == self.refuse_at:
            raise Conflict("Not now.", code="refused_by_a_hook")


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    opened = Database(database_url, pool_size=2)
    yield opened
    await opened.close()


def ghosts(session: AsyncSession, *hooks: Seen) -> KindService[GhostRow]:
    registry = HookRegistry()
    for hook in hooks:
        registry.add(hook, Moment, [Kind.GHOST])
    stored = KindRepositories.over(session)
    return KindService(stored.ghosts, registry, HookWork(stored, KindEvents(session)))


async def test_hooks_run_before_and_after_each_change_and_are_told_of_it(database: Database) -> None:
    owner, seen = f"owner-{uuid4().hex}", Seen()
    mine = Reference(frozenset({owner}), name="watched")
    async with database.transaction() as session:
        service = ghosts(session, seen)
        await service.create(owner, COLUMNS)
        await service.update(mine, COLUMNS | {"system_prompt": "Otherwise."})
        await service.delete(mine)
    assert seen.told == [
        (Moment.PRE_CREATE, None, False),
        (Moment.POST_CREATE, "watched", True),
        (Moment.PRE_UPDATE, "watched", True),
        (Moment.POST_UPDATE, "watched", True),
        (Moment.PRE_DELETE, "watched", True),
        (Moment.POST_DELETE, "watched", False),
    ]


@pytest.mark.parametrize("moment", Moment)
async def test_a_hook_that_refuses_leaves_all_as_it_was_and_the_next_unasked(
    database: Database, moment: Moment
) -> None:
    owner, seen, never = f"owner-{uuid4().hex}", Seen(moment), Seen()
    mine = Reference(frozenset({owner}), name="watched")
    async with database.transaction() as session:
        await ghosts(session).create(owner, COLUMNS | {"name": "kept"})
        if "create" not in moment:
            await ghosts(session).create(owner, COLUMNS)

    async def change() -> None:
        async with database.transaction() as session:
            service = ghosts(session, seen, never)
            if "create" in moment:
                await service.create(owner, COLUMNS)
            elif "update" in moment:
                await service.update(mine, COLUMNS | {"system_prompt": "Otherwise."})
            else:
                await service.delete(mine)

    with pytest.raises(Conflict, match="Not now"):
        await change()
    assert moment not in {told for told, _, _ in never.told}
    async with database.reading() as session:
        found = await KindRepositories.over(session).ghosts.having(owner, "system_prompt", "You help.")
    assert [row.name for row in found] == (["kept"] if "create" in moment else ["kept", "watched"])


async def test_a_hook_runs_for_the_kinds_and_moments_that_it_was_added_for(database: Database) -> None:
    seen, registry = Seen(), HookRegistry()
    registry.add(seen, [Moment.PRE_DELETE], [Kind.SHELL, Kind.BOT])
    async with database.reading() as session:
        work = HookWork(KindRepositories.over(session), KindEvents(session))
        for kind in Kind:
            for moment in Moment:
                await registry.run(moment, work, Change(kind, "nobody"))
    assert [moment for moment, _, _ in seen.told] == [Moment.PRE_DELETE] * 2


async def test_each_change_is_told_and_a_refused_one_is_not(
    caller: httpx.AsyncClient, make: Make, settings: ManagementSettings
) -> None:
    told: list[CloudEvent] = []

    async def keep(event: CloudEvent) -> None:
        told.append(event)

    def seen(thing: dict[str, Any]) -> list[str]:
        return sorted(event.type for event in told if event.subject == thing["id"])

    token = settings.nats_token.get_secret_value() if settings.nats_token else None
    subjects = tuple(f"kgents.agents.{kind}.*" for kind in KINDS)
    async with EventBus(settings.nats_url, token) as bus, BackgroundTasks() as tasks:
        tasks.start("consumer", DurableConsumer(bus, ConsumerSpec(f"test_{uuid4().hex[:8]}", subjects), keep).run)
        team = await make("team", "desk")
        bot = (await caller.get(path_of("team", "desk"))).json()["members"][0]["bot"]
        parts = [{"id": bot[f"{part}_id"]} for part in ("ghost", "model", "shell")]
        assert (await caller.delete(path_of("bot", bot["id"]))).status_code == 409
        body = {"name": "front", "members": team["members"]}
        assert (await caller.put(path_of("team", "desk"), json=body)).status_code == 200
        assert (await caller.put(path_of("team", "front"), json={"name": "front"})).status_code == 422
        assert (await caller.delete(path_of("team", "front"))).status_code == 204
        assert (await caller.delete(path_of("bot", bot["id"]))).status_code == 204
        await eventually(lambda: seen(team) == ["team.created", "team.deleted", "team.updated"])
        await eventually(lambda: seen(bot) == ["bot.created", "bot.deleted"])
        for kind, part in zip(("ghost", "model", "shell"), parts, strict=True):
            await eventually(lambda kind=kind, part=part: seen(part) == [f"{kind}.created"])
    renamed = next(event for event in told if event.type == "team.updated" and event.subject == team["id"])
    assert renamed.data == {"id": team["id"], "kind": "team", "name": "front", "owner_id": team["owner_id"]}
