"""A server is changed: its name, its address, its headers; what people read of it and find of its tools."""

from tests.external.credential_owner import CredentialOwner
from tests.external.running_registry import JsonObject, RunningRegistry
from tests.external.scripted_mcp import ScriptedServer
from tests.external.wayward_mcp import WaywardServer

SERVERS = "/api/v1/mcp-servers"


async def register(registry: RunningRegistry, server: WaywardServer) -> str:
    made = await registry.register("wayward", transport="streamable_http", url=server.url)
    return f"{SERVERS}/{made['id']}"


async def test_a_renamed_server_has_its_tools_under_the_new_name(
    registry: RunningRegistry, wayward: WaywardServer
) -> None:
    path = await register(registry, wayward)
    await registry.register_stdio("taken")
    taken = await registry.ask("PATCH", path, {"name": "taken"})
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    sessions = len(wayward.sessions)
    renamed = await registry.ask("PATCH", path, {"name": "better"})
    assert (renamed.status_code, renamed.json()["server"]["name"]) == (200, "better")
    assert len(wayward.sessions) == sessions, "it is reached as before"
    assert (await registry.invoke("better.whoami", {"who": "me"}))["content"].endswith(" me")
    assert (await registry.ask("GET", "/api/v1/tools/wayward.whoami")).status_code == 404


async def test_a_server_that_moves_is_held_against_what_was_pinned(
    registry: RunningRegistry, wayward: WaywardServer, scripted: ScriptedServer
) -> None:
    path = await register(registry, wayward)
    gone = await registry.ask("PATCH", path, {"url": "http://127.0.0.1:1/mcp"})
    assert (gone.status_code, gone.json()["code"]) == (502, "mcp_server_unreachable")
    assert (await registry.invoke("wayward.whoami", {"who": "me"}))["content"].endswith(" me")
    seen = (await registry.ask("PATCH", path, {"url": scripted.url})).json()
    assert seen["server"]["url"] == scripted.url
    assert "wayward.whoami" in seen["removed"]
    assert "wayward.echo" in seen["added"]
    assert (await registry.tool("wayward.echo"))["side_effect"] == "external"


async def test_a_change_that_makes_no_sense_is_refused(registry: RunningRegistry, wayward: WaywardServer) -> None:
    path = await register(registry, wayward)
    changes: list[JsonObject] = [
        {},
        {"name": None},
        {"url": None},
        {"transport": "stdio"},
        {"headers": {"Host": "elsewhere"}},
        {"headers": {"X-Key": "${key}"}},
        {"headers": {"A": "1", "a": "2"}},
        {"headers": {"X-Key": "a\r\nB: c"}},
    ]
    for change in changes:
        assert (await registry.ask("PATCH", path, change)).status_code == 422, change


async def test_of_a_server_over_stdio_the_name_alone_changes(registry: RunningRegistry) -> None:
    path = f"{SERVERS}/{(await registry.register_stdio())['id']}"
    refused = await registry.ask("PATCH", path, {"url": "https://mcp.example/"})
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_change")
    assert (await registry.ask("PATCH", path, {"name": "other"})).status_code == 200
    assert (await registry.invoke("other.echo", {"text": "hello"}))["content"] == "hello"


async def test_headers_are_filled_from_the_credential_at_the_last_moment(
    somebody: CredentialOwner, wayward: WaywardServer
) -> None:
    registry = somebody.registry
    ref = await somebody.keep({"key": "k-canary", "tenant": "acme"})
    headers = {"X-Api-Key": "${key}", "X-Tenant": "of ${tenant}", "X-Plain": "as it is"}
    made = await registry.register(
        "wayward", transport="streamable_http", url=wayward.url, credential_ref=ref, headers=headers
    )
    sent = wayward.headers[-1]
    assert (sent["X-Api-Key"], sent["X-Tenant"], sent["X-Plain"]) == ("k-canary", "of acme", "as it is")
    assert "Authorization" not in sent
    assert made["headers"] == headers
    assert "k-canary" not in str(made) + (await registry.ask("GET", SERVERS)).text
    path = f"{SERVERS}/{made['id']}"
    missing = await registry.ask("PATCH", path, {"headers": {"X-Api-Key": "${nothing}"}})
    assert (missing.status_code, "no field nothing" in missing.json()["detail"]) == (422, True)
    leaky = await registry.ask("PATCH", path, {"headers": {"X-Api-Key": "hunter2-hunter2"}})
    assert (leaky.status_code, leaky.json()["code"]) == (422, "secret_in_document")
    open_again = await registry.ask("PATCH", path, {"headers": {}, "credential_ref": None})
    assert open_again.status_code == 200, open_again.text
    assert "X-Api-Key" not in wayward.headers[-1]


async def test_what_was_pinned_is_kept_with_who_pinned_it_and_what_changed(
    registry: RunningRegistry, wayward: WaywardServer
) -> None:
    path = await register(registry, wayward)
    wayward.tools[0] |= {"description": "does whoami\nand more", "inputSchema": {"type": "object", "maxProperties": 2}}
    await registry.ask("POST", f"{path}/refresh", {})
    diff = (await registry.tool("wayward.whoami"))["pending"]["diff"]
    assert "+description: and more" in diff
    assert '+input_schema:  "maxProperties": 2,' in diff
    assert "-description: does whoami" not in diff
    await registry.ask("POST", f"{path}/tools/whoami/accept", {})
    assert (await registry.tool("wayward.whoami"))["version"] == 2
    answer = (await registry.ask("GET", "/api/v1/tools/wayward.whoami/versions?limit=1")).json()
    newest = answer["items"][0]
    assert (newest["version"], newest["pinned_by"]) == (2, registry.owner)
    assert newest["description"].endswith("and more")
    older = await registry.ask("GET", f"/api/v1/tools/wayward.whoami/versions?cursor={answer['next_cursor']}")
    assert [(row["version"], row["description"]) for row in older.json()["items"]] == [(1, "does whoami")]
    stranger = await registry.ask("GET", "/api/v1/tools/wayward.whoami/versions", owner="somebody else")
    assert stranger.status_code == 404


async def test_tools_are_found_by_words_kind_state_and_capability(
    registry: RunningRegistry, wayward: WaywardServer
) -> None:
    wayward.tools[0] |= {"description": "Tells the caller's name, and nothing of 100% importance"}
    path = await register(registry, wayward)
    wayward.tools[1] |= {"description": "something else"}
    await registry.ask("POST", f"{path}/refresh", {})
    made = await registry.ask("PUT", "/api/v1/tools/capabilities/pages", {"patterns": ["*.page", "wayward.el*"]})
    assert made.status_code in {200, 201}, made.text

    async def found(query: str) -> list[str]:
        answer = await registry.ask("GET", f"/api/v1/tools?{query}")
        assert answer.status_code == 200, answer.text
        return [row["name"].removeprefix("wayward.") for row in answer.json()["items"]]

    assert await found("q=caller names") == ["whoami"]
    assert await found("q=garb") == ["garbage"]
    assert await found("q=%25") == []
    assert await found("q=nothing of the kind") == []
    assert await found("state=changed") == ["swap"]
    assert await found("capability=pages") == ["elsewhere", "page"]
    assert await found("capability=unknown") == []
    assert await found("kind=http") == []
    assert len(await found("kind=mcp&state=active")) == 13
    assert (await registry.ask("GET", "/api/v1/tools?kind=other")).status_code == 422


async def test_resources_and_prompts_are_read_of_the_server(registry: RunningRegistry, wayward: WaywardServer) -> None:
    path = await register(registry, wayward)
    resources = (await registry.ask("GET", f"{path}/resources")).json()
    assert [(row["uri"], row["uri_template"]) for row in resources["items"]] == [
        ("notes://one", None),
        (None, "notes://{name}"),
    ]
    read = await registry.ask("GET", f"{path}/resources/read?uri=notes://one")
    assert [(part["text"], part["blob"]) for part in read.json()["parts"]] == [("hello�", None)]
    prompts = (await registry.ask("GET", f"{path}/prompts")).json()
    assert prompts["items"][0]["arguments"] == [{"name": "topic", "description": "what about", "required": True}]
    filled = await registry.ask("POST", f"{path}/prompts/fill", {"name": "write", "arguments": {"topic": "rain"}})
    assert filled.json()["messages"] == [{"role": "user", "text": "write about rain"}]
    for method, where, body in (
        ("GET", "resources", None),
        ("GET", "resources/read?uri=notes://one", None),
        ("GET", "prompts", None),
        ("POST", "prompts/fill", {"name": "write"}),
    ):
        assert (await registry.ask(method, f"{path}/{where}", body, owner="somebody else")).status_code == 404
    assert (await registry.ask("GET", f"{path}/resources/read?uri=no uri")).status_code == 422


async def test_a_server_that_has_neither_has_empty_lists(registry: RunningRegistry, scripted: ScriptedServer) -> None:
    path = f"{SERVERS}/{(await registry.register_http(scripted))['id']}"
    for name in ("resources", "prompts"):
        assert (await registry.ask("GET", f"{path}/{name}")).json() == {"items": [], "more": False}
    refused = await registry.ask("GET", f"{path}/resources/read?uri=notes://one")
    assert (refused.status_code, refused.json()["code"]) == (422, "mcp_server_refused")
