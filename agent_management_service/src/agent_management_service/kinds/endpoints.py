"""`/api/v1/kinds/…`: ghosts, models, shells, bots and teams, and publishing bots and teams as agents."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path, Query, status
from fastapi.responses import Response

from agent_management_service.agents.endpoints import DEFINITION_BODY, answer_response
from agent_management_service.agents.models import AgentRow
from agent_management_service.agents.schemas import Agent, agent_view
from agent_management_service.dependencies import (
    AgentsRead,
    AgentsWrite,
    ChatDefinition,
    Keyed,
    NoOptionsBody,
    Transaction,
)
from agent_management_service.idempotency.service import Answer
from agent_management_service.kinds import bodies
from agent_management_service.kinds.assembly import Kinds
from agent_management_service.kinds.errors import KindNotFound
from agent_management_service.kinds.kind import Kind
from agent_management_service.kinds.listing import KindFilter
from agent_management_service.kinds.repository import BotParts, Columns
from agent_management_service.kinds.schemas import (
    Bot,
    BotBody,
    BotInFull,
    Ghost,
    GhostBody,
    KindView,
    MemberInFull,
    Model,
    ModelBody,
    Provider,
    Shell,
    ShellType,
    Team,
    TeamBody,
    TeamInFull,
    kind_view,
)
from agent_management_service.kinds.service import KindService
from agent_management_service.kinds.shells import SHELL_SCHEMA, shell_body
from agent_management_service.listing import Sort
from kgents_shared.auth import OfOrganisation, Principal, Reference, owner_of_new, owners_listed, referenced, require
from kgents_shared.db import Page, PageQuery, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

Having = Mapping[str, object]
Show = Callable[[Kinds, Reference, Principal], Awaitable[KindView]]
PREFIX = "/api/v1/kinds"


@dataclass(frozen=True, slots=True)
class KindApi:
    """What tells the routes of one kind from those of another. `having` reads a list's own filters."""

    kind: Kind
    things: Callable[[Kinds], KindService[Any]]
    view: type[KindView]
    read_body: bodies.ReadBody
    body_schema: dict[str, Any]
    having: Callable[..., Having]
    full_view: type[KindView]
    show: Show
    group: str = PREFIX
    tag: str = "kinds"
    deletes: str = "that nothing refers to"

    @property
    def path(self) -> str:
        """Where the things of this kind are."""
        return f"{self.group}/{self.kind.plural}"


def kind_router(api: KindApi) -> Router:
    """The routes that every kind has."""
    router = Router(prefix=api.path, tags=[api.tag])
    _add_making(router, api)
    _add_reading(router, api)
    _add_changing(router, api)
    return router


def _add_making(router: Router, api: KindApi) -> None:
    kind, body = api.kind, Depends(api.read_body)

    @router.post(
        "", status_code=status.HTTP_201_CREATED, response_model=api.view, openapi_extra=api.body_schema,
        responses=refusals(409, 415), name=f"create_{kind}", description=f"Make a {kind}.",
    )  # fmt: skip
    async def create(
        *,
        principal: AgentsWrite,
        columns: Columns = body,
        key: Keyed,
        work: Transaction,
        organisation: OfOrganisation = None,
    ) -> Response:
        owner_id = owner_of_new(principal, organisation)

        async def make() -> Answer:
            row = await api.things(work.kinds).create(owner_id, columns)
            made = kind_view(api.view, row, principal).model_dump(mode="json")
            return Answer(status.HTTP_201_CREATED, made, f"{api.path}/{row.id}")

        return answer_response(await work.once.do(key, make))


def _add_reading(router: Router, api: KindApi) -> None:
    kind, this, filters = api.kind, Depends(reference_of(api.kind)), Depends(api.having)

    @router.get(
        "", response_model=Page[api.view], name=f"list_{kind.plural}",
        description=f"The {kind.plural} of the caller and their organisations, or of one organisation.",
    )  # fmt: skip
    async def list_all(
        *,
        principal: AgentsRead,
        page: PageQuery,
        work: Transaction,
        having: Having = filters,
        name: Annotated[str | None, Query(pattern="^[a-z0-9-]{1,63}$", description="names that begin so")] = None,
        sort: Sort = "created_at",
        organisation: OfOrganisation = None,
    ) -> Page[KindView]:
        wanted = KindFilter(name, sort, {field: value for field, value in having.items() if value is not None})
        rows = await api.things(work.kinds).page(owners_listed(principal, organisation), wanted, page)
        return make_page(rows, page, item=lambda row: kind_view(api.view, row, principal), key=wanted.cursor_of)

    @router.get(
        f"/{{{kind}}}", response_model=api.full_view, name=f"get_{kind}",
        description=f"One {kind} by id, name or `organisation~name`, with what it refers to.",
    )  # fmt: skip
    async def get(*, principal: AgentsRead, reference: Reference = this, work: Transaction) -> KindView:
        return await api.show(work.kinds, reference, principal)


def _add_changing(router: Router, api: KindApi) -> None:
    kind, this, body = api.kind, Depends(reference_of(api.kind)), Depends(api.read_body)

    @router.put(
        f"/{{{kind}}}", response_model=api.view, openapi_extra=api.body_schema, responses=refusals(409, 415),
        name=f"replace_{kind}",
        description=f"Put another {kind} in its place. What was published of it goes on unchanged.",
    )  # fmt: skip
    async def replace(
        *, principal: AgentsWrite, reference: Reference = this, columns: Columns = body, work: Transaction
    ) -> KindView:
        return kind_view(api.view, await api.things(work.kinds).update(reference, columns), principal)

    @router.delete(
        f"/{{{kind}}}", status_code=status.HTTP_204_NO_CONTENT, responses=refusals(409), name=f"delete_{kind}",
        description=f"Delete a {kind} {api.deletes}.",
    )  # fmt: skip
    async def delete(*, principal: AgentsWrite, reference: Reference = this, work: Transaction) -> None:
        await api.things(work.kinds).delete(reference)


def reference_of(kind: Kind) -> Callable[..., Reference]:
    """A dependency: what a path means where it says `{ghost}`, `{bot}` …; `KindNotFound` for what can be none."""

    # What the caller needs for it, the route says beside it.
    def this(
        principal: Annotated[Principal, Depends(require())], text: Annotated[str, Path(alias=kind.value)]
    ) -> Reference:
        found = referenced(principal, text)
        if found is None:
            raise KindNotFound(kind)
        return found

    return this


def no_filter() -> Having:
    """Of a kind whose list has no filters of its own."""
    return {}


def _model_filter(provider: Provider | None = None) -> Having:
    return {"provider": provider}


def _shell_filter(type: ShellType | None = None) -> Having:  # noqa: A002 -- the query parameter's name
    return {"type": type}


def _bot_filter(ghost_id: UUID | None = None, model_id: UUID | None = None, shell_id: UUID | None = None) -> Having:
    return {"ghost_id": ghost_id, "model_id": model_id, "shell_id": shell_id}


def _team_filter(bot_id: UUID | None = None) -> Having:
    return {"bot_id": bot_id}


def bot_in_full(parts: BotParts, principal: Principal) -> BotInFull:
    """A bot with what it refers to, as this caller sees it."""
    return BotInFull(
        **kind_view(Bot, parts.bot, principal).model_dump(),
        ghost=kind_view(Ghost, parts.ghost, principal),
        model=kind_view(Model, parts.model, principal),
        shell=kind_view(Shell, parts.shell, principal),
    )


async def _show_bot(kinds: Kinds, reference: Reference, principal: Principal) -> BotInFull:
    return bot_in_full(await kinds.stored.bot_in_full(reference), principal)


async def _show_team(kinds: Kinds, reference: Reference, principal: Principal) -> TeamInFull:
    found = await kinds.stored.team_in_full(reference)
    team = kind_view(Team, found.team, principal)
    members = [
        MemberInFull(bot_id=member.bot_id, role=member.role, bot=kind_view(Bot, found.bots[member.bot_id], principal))
        for member in team.members
    ]
    return TeamInFull(**team.model_dump(exclude={"members"}), members=members)


def shows(things: Callable[[Kinds], KindService[Any]], view: type[KindView]) -> Show:
    """How a thing is shown that refers to nothing."""

    async def show(kinds: Kinds, reference: Reference, principal: Principal) -> KindView:
        return kind_view(view, await things(kinds).get(reference), principal)

    return show


def _part(kind: Kind, view: type[KindView], read_body: bodies.ReadBody, schema: dict[str, Any], having: Any) -> KindApi:
    """A kind that refers to nothing: it is shown in full as it is in a list."""

    def things(kinds: Kinds) -> KindService[Any]:
        found: KindService[Any] = getattr(kinds, kind.plural)
        return found

    return KindApi(kind, things, view, read_body, schema, having, view, shows(things, view))


APIS = (
    _part(Kind.GHOST, Ghost, bodies.ghost_body, bodies.described(GhostBody), no_filter),
    _part(Kind.MODEL, Model, bodies.model_body, bodies.described(ModelBody), _model_filter),
    _part(Kind.SHELL, Shell, shell_body, SHELL_SCHEMA, _shell_filter),
    KindApi(
        kind=Kind.BOT,
        things=lambda kinds: kinds.bots,
        view=Bot,
        read_body=bodies.bot_body,
        body_schema=bodies.described(BotBody),
        having=_bot_filter,
        full_view=BotInFull,
        show=_show_bot,
    ),
    KindApi(
        kind=Kind.TEAM,
        things=lambda kinds: kinds.teams,
        view=Team,
        read_body=bodies.team_body,
        body_schema=bodies.described(TeamBody),
        having=_team_filter,
        full_view=TeamInFull,
        show=_show_team,
    ),
)

agents_router = Router(prefix=PREFIX, tags=["kinds"])
_this_bot, _this_team = Depends(reference_of(Kind.BOT)), Depends(reference_of(Kind.TEAM))


def _published(row: AgentRow, principal: Principal) -> Answer:
    return Answer(status.HTTP_200_OK, agent_view(row, principal).model_dump(mode="json"))


@agents_router.post("/bots/{bot}/publish", response_model=Agent, responses=refusals(409, 415))
async def publish_bot(
    *, principal: AgentsWrite, bot: Reference = _this_bot, _: NoOptionsBody, key: Keyed, work: Transaction
) -> Response:
    """Make or update the agent of the bot's name and publish it."""

    async def publish() -> Answer:
        return _published(await work.kinds.publishing.publish_bot(bot), principal)

    return answer_response(await work.once.do(key, publish))


@agents_router.post("/teams/{team}/publish", response_model=Agent, responses=refusals(409, 415))
async def publish_team(
    *, principal: AgentsWrite, team: Reference = _this_team, _: NoOptionsBody, key: Keyed, work: Transaction
) -> Response:
    """Make or update the agent of the team's name and publish it.

    Of several bots, each member is published first, as the agent of its name. A team in the mode `route` or
    `coordinate` has the prompt and the model of the bot whose role is `leader`, or else of the first, which is no
    member then.
    """

    async def publish() -> Answer:
        return _published(await work.kinds.publishing.publish_team(team), principal)

    return answer_response(await work.once.do(key, publish))


@agents_router.post(
    "/bots/import",
    status_code=status.HTTP_201_CREATED,
    response_model=BotInFull,
    openapi_extra=DEFINITION_BODY,
    responses=refusals(409, 415),
)
async def import_bot(
    principal: AgentsWrite, spec: ChatDefinition, key: Keyed, work: Transaction, organisation: OfOrganisation = None
) -> Response:
    """Take an agent's definition apart: a bot that makes it, with a ghost, a model and a shell of its name."""
    owner_id = owner_of_new(principal, organisation)

    async def take_apart() -> Answer:
        made = bot_in_full(await work.kinds.take_apart(owner_id, spec), principal)
        return Answer(status.HTTP_201_CREATED, made.model_dump(mode="json"), f"{PREFIX}/bots/{made.id}")

    return answer_response(await work.once.do(key, take_apart))


router = Router()
for _api in APIS:
    router.routes += kind_router(_api).routes
router.routes += agents_router.routes
