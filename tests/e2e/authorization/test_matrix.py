"""The authorization matrix: each route of the running platform by role, scope, service and another tenant's ids."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest

from kgents_shared.auth.scopes import ALL_SCOPES
from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually
from tests.e2e.authorization.bodies import BODIES, FRESH, QUERIES
from tests.e2e.authorization.table import ROLES, Row, fields_of, has_object, ids_of, routes, rows
from tests.e2e.running_platform import RunningPlatform
from tests.e2e.tenants import Tenant, asked_approval, furnish, kept_memory, person, service_token
from tests.external.scripted_mcp import ScriptedServer, scripted_server

SERVICES = ("auth", "deployment", "governance", "management", "nl", "runtime", "tools")
PUBLIC = [row for row in rows() if row.opens_to == "public"]
OF_PEOPLE = [row for row in rows() if row.callers is None and row.opens_to != "public"]
OF_SERVICES = [row for row in rows() if row.callers is not None]
WITH_IDS = [row for row in OF_PEOPLE if row.another]
LISTS = [row for row in OF_PEOPLE if row.is_own]
WRITES = [row for row in (*PUBLIC, *OF_PEOPLE) if has_object(row)]
# Whose a thing is, what somebody may do and how often it was changed is said by the platform alone.
NOT_THEIRS: dict[str, Any] = {"role": "admin", "owner_id": str(uuid4()), "is_admin": True, "version": 7}
# Refusals for who the caller is; every other answer is one to somebody who was let in.
REFUSED = {401, 403}
# Ids of nothing.
UNKNOWN: dict[str, str] = {
    "agent": "nothing-of-that-name", "tool": "nothing", "name": "nothing.nothing", "role": "nothing", "number": "1",
    "label": "stable",
    "credential_ref": f"cred_{uuid4().hex}", "client_ref": f"cred_{uuid4().hex}",
}  # fmt: skip


@dataclass
class Bearers:
    """Tokens: of a person with one role, with no role, with one scope, with all scopes but one; of services."""

    roles: dict[str, str]
    nobody: str
    only: dict[str, str]
    lacking: dict[str, str]
    services: dict[tuple[str, str], str]


async def narrowed(admin: httpx.AsyncClient, scopes: list[frozenset[str]]) -> list[str]:
    """An administrator's tokens, each with these scopes alone."""
    tokens: list[str] = []
    refresh_token = (await person(admin, {"admin"}))["refresh_token"]
    for wanted in scopes:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "scope": " ".join(sorted(wanted))}
        answer = (await admin.post("/api/v1/auth/token", data=form)).json()
        tokens.append(answer["access_token"])
        refresh_token = answer["refresh_token"]
    return tokens


@pytest.fixture(scope="module")
async def admin(platform: RunningPlatform) -> AsyncGenerator[httpx.AsyncClient]:
    async with await platform.client() as opened:
        yield opened


@pytest.fixture(scope="module")
async def visitor(platform: RunningPlatform) -> AsyncGenerator[httpx.AsyncClient]:
    """A client without a token of its own."""
    async with httpx.AsyncClient(base_url=platform.url, timeout=60, verify=PLAIN) as opened:
        yield opened


@pytest.fixture(scope="module")
async def inside(platform: RunningPlatform) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the private listener."""
    port = (platform.home / "run" / "private.port").read_text().strip()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, verify=PLAIN) as opened:
        yield opened


@pytest.fixture(scope="module")
async def bearers(platform: RunningPlatform, admin: httpx.AsyncClient, visitor: httpx.AsyncClient) -> Bearers:
    scopes = sorted(ALL_SCOPES)
    tokens = await narrowed(admin, [*(frozenset({one}) for one in scopes), *(ALL_SCOPES - {one} for one in scopes)])
    pairs = [(caller, audience) for caller in SERVICES for audience in SERVICES]
    return Bearers(
        roles={role: (await person(admin, {role}))["access_token"] for role in ROLES.values()},
        nobody=(await person(admin, set()))["access_token"],
        only=dict(zip(scopes, tokens, strict=False)),
        lacking=dict(zip(scopes, tokens[len(scopes) :], strict=True)),
        services={pair: await service_token(platform, visitor, *pair) for pair in pairs},
    )


@pytest.fixture(scope="module")
async def mcp(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ScriptedServer]:
    async with scripted_server(tmp_path_factory.mktemp("mcp")) as server:
        yield server


@pytest.fixture(scope="module")
async def tenants(
    platform: RunningPlatform,
    admin: httpx.AsyncClient,
    visitor: httpx.AsyncClient,
    inside: httpx.AsyncClient,
    mcp: ScriptedServer,
) -> AsyncGenerator[tuple[Tenant, Tenant]]:
    """Two developers, each with one thing of every kind under a name of its own."""
    registry = await service_token(platform, visitor, "tools", "governance")
    for_memories = await service_token(platform, visitor, "tools", "runtime")
    async with AsyncExitStack() as stack:

        async def tenant(name: str) -> Tenant:
            login = await person(admin, {"developer"})
            headers = {"Authorization": f"Bearer {login['access_token']}"}
            client = httpx.AsyncClient(base_url=platform.url, headers=headers, timeout=60, verify=PLAIN)
            made = Tenant(await stack.enter_async_context(client))
            await furnish(made, name, mcp)
            made.things["approval_id"] = [(await asked_approval(inside, registry, made.things["user_id"][0]))["id"]]
            made.things["memory"] = [await kept_memory(inside, for_memories, made)]
            made.things["key"] = ["tea"]
            return made

        first, second = await asyncio.gather(tenant("theirs"), tenant("mine"))
        yield first, second


def has_body(row: Row) -> bool:
    return row.method in {"POST", "PUT", "PATCH"} and not row.path.endswith(
        ("/publish", "/stop", "/start", "/restart", "/join", "/leave", "/modules")
    )


async def ask(
    http: httpx.AsyncClient, row: Row, bearer: str | None = None, *, prefix: str = "", **more: Any
) -> httpx.Response:
    """Ask for nothing in particular: an id of nothing, a body with an unknown field. Nobody's things change."""
    path = re.sub(r"{(\w+)}", lambda place: UNKNOWN.get(place[1], str(uuid4())), row.path)
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    given: dict[str, Any] = {"json": {"nonsense": True}} if has_body(row) else {}
    return await http.request(row.method, prefix + path, headers=headers, **(given | more))


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["code"]) if answer.content else ""


def route_of(row: Row) -> str:
    return f"{row.service} {row.route}"


def test_the_table_has_every_route_and_no_other():
    listed = [(row.service, row.route) for row in rows()]
    assert len(listed) == len(set(listed))
    assert routes() - set(listed) == set(), "routes without a line in table.txt"
    assert set(listed) - routes() == set(), "lines in table.txt without a route"


def test_the_table_says_what_an_id_gets_in_every_place_that_takes_one():
    told_of = [row for row in OF_PEOPLE if not row.is_all]
    assert {route_of(row): set(row.another) for row in told_of} == {route_of(row): ids_of(row) for row in told_of}


@pytest.mark.parametrize("row", PUBLIC, ids=route_of)
async def test_a_public_route_asks_nobody_who_they_are(visitor: httpx.AsyncClient, row: Row):
    answer = await ask(visitor, row)
    assert answer.status_code not in REFUSED
    assert answer.status_code < 500


@pytest.mark.parametrize("row", OF_PEOPLE, ids=route_of)
async def test_a_route_opens_to_the_roles_and_scopes_of_the_table(
    visitor: httpx.AsyncClient, bearers: Bearers, row: Row
):
    assert code_of(await ask(visitor, row)) == "token_required"
    assert code_of(await ask(visitor, row, "nonsense")) == "invalid_token"
    assert code_of(await ask(visitor, row, bearers.services["runtime", row.service])) == "service_token_here"
    tokens = bearers.roles | {"nobody": bearers.nobody}
    let_in = row.roles if row.scopes else {*row.roles, "nobody"}
    for role, token in tokens.items():
        answer = await ask(visitor, row, token)
        if role in let_in:
            assert answer.status_code not in REFUSED, f"{role}: {answer.text}"
            assert answer.status_code < 500, f"{role}: {answer.text}"
        else:
            assert (answer.status_code, code_of(answer)) == (403, "scope_missing"), role
    for scope in row.scopes:
        refused = await ask(visitor, row, bearers.lacking[scope])
        assert (refused.status_code, code_of(refused)) == (403, "scope_missing")
        assert scope in refused.json()["detail"]
    if len(row.scopes) == 1:
        (scope,) = row.scopes
        assert (await ask(visitor, row, bearers.only[scope])).status_code not in REFUSED


@pytest.mark.parametrize("row", OF_SERVICES, ids=route_of)
async def test_an_inner_route_opens_to_the_named_services_on_the_private_listener_alone(
    visitor: httpx.AsyncClient, inside: httpx.AsyncClient, bearers: Bearers, row: Row
):
    prefix = f"/{row.service}"
    other = next(name for name in SERVICES if name != row.service)
    for caller in SERVICES:
        token = bearers.services[caller, row.service]
        answer = await ask(inside, row, token, prefix=prefix)
        if caller in (row.callers or ()):
            assert answer.status_code not in REFUSED, f"{caller}: {answer.text}"
            assert answer.status_code < 500, f"{caller}: {answer.text}"
            # Who is let in here is so by this token and on this listener alone.
            for_another = await ask(inside, row, bearers.services[caller, other], prefix=prefix)
            assert (for_another.status_code, code_of(for_another)) == (401, "invalid_token"), caller
            assert (await ask(visitor, row, token)).status_code == 404, caller
        else:
            assert (answer.status_code, code_of(answer)) == (403, "service_not_allowed"), caller
    assert (await ask(inside, row, bearers.roles["admin"], prefix=prefix)).status_code == 404
    assert (await ask(inside, row, prefix=prefix)).status_code == 401


# What is wrong is its answer, not a refusal.
TELLS_OF_FAULTS = {"POST /api/v1/agents/validate"}


@pytest.mark.parametrize("row", WRITES, ids=route_of)
async def test_what_is_not_the_callers_to_set_is_refused_in_every_body(
    visitor: httpx.AsyncClient, bearers: Bearers, row: Row
):
    given = {name: value for name, value in NOT_THEIRS.items() if name not in fields_of(row)}
    assert len(given) >= 2
    bearer = None if row in PUBLIC else bearers.roles["admin"]
    answer = await ask(visitor, row, bearer, json={**BODIES.get(row.route, {}), **given})
    assert answer.status_code == (200 if row.route in TELLS_OF_FAULTS else 422), answer.text
    assert set(given) <= {fault["loc"][-1] for fault in answer.json()["errors"]}


async def with_id(caller: Tenant, row: Row, place: str, ids: dict[str, str], mcp_url: str) -> httpx.Response:
    """The route with these ids at `place`, and the caller's own wherever else one stands."""
    in_path = ids if place == "path" else {}
    path = re.sub(r"{(\w+)}", lambda found: in_path.get(found[1], caller.things[found[1]][-1]), row.path)
    more: dict[str, Any] = {"params": filled(QUERIES[row.route], caller, {})} if row.route in QUERIES else {}
    if row.route in BODIES:
        # Where a body has no place of its own for the ids, they come beside its fields.
        has_place = f"{{{place}}}" in json.dumps(BODIES[row.route])
        more["json"] = filled(BODIES[row.route], caller, ids)
        if row.path == "/api/v1/mcp-servers":
            more["json"]["url"] = mcp_url
    else:
        has_place = False
    if place != "path" and not has_place:
        in_query = row.method == "GET" or place == "organisation"
        more.setdefault("params" if in_query else "json", {}).update(ids)
    return await caller.http.request(row.method, path, **more)


def filled(body: Any, caller: Tenant, ids: dict[str, str]) -> Any:
    """A body with these ids at their places, and the caller's own at the others."""

    def put(found: re.Match[str]) -> str:
        own = f"{FRESH}{uuid4().hex[:8]}" if found[1] == "fresh" else caller.things[found[1]][-1]
        return ids.get(found[1], own)

    return json.loads(re.sub(r"{(\w+)}", put, json.dumps(body)))


def told(answer: httpx.Response, ids: dict[str, str]) -> str:
    """An answer without what may differ: the request's own id, and the ids that it was asked for."""
    body = answer.json() if answer.content else None
    if isinstance(body, dict):
        for of_request in ("correlation_id", "draft_id"):
            body.pop(of_request, None)
        if answer.is_success and answer.request.method != "GET":
            # What was made or changed by it has an id, a time and a history of its own.
            body = sorted(body)
    text = json.dumps(body, sort_keys=True)
    for name, value in ids.items():
        text = text.replace(value, f"<{name}>")
    return text


async def state_of(owner: Tenant, visible: list[Row]) -> dict[str, Any]:
    """Everything that the owner can read, as it is now."""
    found: dict[str, Any] = {}
    for row in visible:
        path = re.sub(r"{(\w+)}", lambda place: owner.things[place[1]][0], row.path)
        answer = await owner.http.get(path)
        assert answer.status_code == 200, f"{row.route}: {answer.text}"
        found[row.route] = without_use(answer.json())
    return found


async def settled_state_of(owner: Tenant, visible: list[Row]) -> dict[str, Any]:
    """The same, once what is written down after an answer, such as its costs, is there: two looks find it alike."""
    found = await state_of(owner, visible)

    async def is_settled() -> bool:
        nonlocal found
        before, found = found, await state_of(owner, visible)
        return before == found

    await eventually(is_settled, interval=0.5, describe="nothing of the owner's changes any more")
    return found


def without_use(value: Any) -> Any:
    """The same without what an instance uses, which goes on by itself."""
    if isinstance(value, list):
        return [without_use(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: without_use(item) for name, item in fields.items() if name not in {"usage", "last_activity_at"}}
    return value


def unknown(name: str, like: str) -> str:
    """An id of nothing, of the same kind and length."""
    if re.fullmatch(r"[0-9a-f]{8}-.*", like):
        return str(uuid4())
    return UNKNOWN["credential_ref"] if like.startswith("cred_") else like[::-1] if like != like[::-1] else like + like


async def test_another_tenants_ids_get_what_ids_of_nothing_get_and_change_nothing(
    tenants: tuple[Tenant, Tenant], mcp: ScriptedServer
):
    owner, stranger = tenants
    # What goes through to a server, streams, and what takes more than ids, are not what the owner has.
    passed_on = {*QUERIES, "GET /mcp", "GET /api/v1/runs/{run_id}/events"}
    passed_on |= {"GET /api/v1/users/me/data"}  # all that the others tell, as lines
    passed_on |= {"GET /api/v1/agents/{agent}/logs"}  # a log goes on by itself
    readable = [row for row in OF_PEOPLE if row.method == "GET" and not row.is_all and row.route not in passed_on]
    before = await settled_state_of(owner, readable)
    wrong: list[str] = []
    for row in WITH_IDS:
        for place, status in row.another.items():
            names = re.findall(r"{(\w+)}", row.path) if place == "path" else [place]
            for spelling in range(max(len(owner.things[name]) for name in names)):
                theirs = {name: owner.things[name][min(spelling, len(owner.things[name]) - 1)] for name in names}
                nothings = {
                    name: value if name in {"number", "label"} else unknown(name, value)
                    for name, value in theirs.items()
                }
                answer = await with_id(stranger, row, place, theirs, mcp.url)
                same = await with_id(stranger, row, place, nothings, mcp.url)
                if (answer.status_code, same.status_code) != (status, status):
                    wrong.append(f"{row.route} {place}: {answer.status_code}, unknown {same.status_code}")
                elif told(answer, theirs) != told(same, nothings):
                    wrong.append(f"{row.route} {place}: {told(answer, theirs)} is not {told(same, nothings)}")
    assert wrong == []
    after = await state_of(owner, readable)
    for row in readable:
        assert after[row.route] == before[row.route], row.route


async def test_lists_hold_the_callers_own_things_alone(tenants: tuple[Tenant, Tenant]):
    owner, stranger = tenants
    # A version's number and a label's name are the same for everybody, and so is what the scripted server's tool is
    # called; a capability or key of any name is anybody's.
    shared = {"number", "label", "capability", "key", "tool"}
    ids = {value for name, values in owner.things.items() for value in values if name not in shared}
    for row in LISTS:
        theirs = (await owner.http.get(row.path, params={"limit": "1000"} if "items" in row.path else {})).text
        seen = (await stranger.http.get(row.path)).text
        # Nobody here has sent anything by a capability: tests of capabilities have two tenants of their own.
        assert theirs != seen or row.path == "/api/v1/capabilities/deliveries", row.route
        # Which credential an agent of theirs names is theirs to write: it is the vault that says whose it is.
        names_them = row.service == "management" or row.path == "/api/v1/users/me/data"
        others = [one for one in ids if not names_them or not one.startswith("cred_")]
        assert not [one for one in others if f'"{one}' in seen], row.route
