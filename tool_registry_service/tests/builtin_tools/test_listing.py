"""Builtin tools are everybody's: listed, shown, offered and denied like any others."""

from tests.external.running_registry import RunningRegistry, running_registry
from tests.external.scripted_mcp import ScriptedServer

TOOLS = "/api/v1/tools"
BUILTIN = [
    "ask_agent", "ask_capability", "files.delete", "files.list", "files.read", "files.write", "http.fetch",
    "memory.delete", "memory.get", "memory.history", "memory.put", "memory.search", "memory.store", "time",
]  # fmt: skip


async def test_they_stand_among_the_owners_tools_in_pages(registry: RunningRegistry, scripted: ScriptedServer) -> None:
    await registry.register_http(scripted)
    whole = (await registry.ask("GET", f"{TOOLS}?limit=1000")).json()["items"]
    names = [tool["name"] for tool in whole]
    assert names == sorted(names)
    assert [tool["name"] for tool in whole if tool["kind"] == "builtin"] == BUILTIN
    paged: list[str] = []
    cursor = ""
    while True:
        page = (await registry.ask("GET", f"{TOOLS}?limit=2{cursor}")).json()
        paged += [tool["name"] for tool in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert paged == names


async def test_they_are_searched_and_filtered(registry: RunningRegistry) -> None:
    async def found(query: str) -> list[str]:
        return [tool["name"] for tool in (await registry.ask("GET", f"{TOOLS}?{query}")).json()["items"]]

    assert await found("kind=builtin") == BUILTIN
    assert await found("kind=http") == []
    assert await found("state=changed") == []
    assert await found("q=web+address") == ["http.fetch"]
    assert await found("server_id=00000000-0000-0000-0000-000000000000") == []


async def test_one_is_shown_and_belongs_to_nobody(registry: RunningRegistry) -> None:
    tool = await registry.tool("time")
    assert (tool["kind"], tool["owner_id"], tool["state"], tool["side_effect"]) == ("builtin", None, "active", "none")
    for method in ("PATCH", "DELETE"):
        answer = await registry.ask(method, f"{TOOLS}/time", {} if method == "PATCH" else None)
        assert answer.status_code == 404


async def test_agents_are_offered_what_they_are_allowed(database_url: str) -> None:
    async with running_registry(database_url, denied="http.*") as registry:
        body = {"owner_id": registry.owner, "allow": ["files.*", "http.*", "time"], "deny": ["files.delete"]}
        answer = await registry.http.post("/internal/tools/resolve", json=body, headers=registry.as_runtime())
        assert [tool["name"] for tool in answer.json()["tools"]] == ["files.list", "files.read", "files.write", "time"]
        denied = await registry.invoke("http.fetch", {"url": "https://a.example"})
        assert denied["is_error"]
        assert not (await registry.invoke("time", {}))["is_error"]
        assert (await registry.invoke("time", {}, allow=["files.*"]))["is_error"]
        headers = registry.issuer.service("management", "tools")
        known = await registry.http.get(f"/internal/tools/known?owner_id={registry.owner}", headers=headers)
        states = {tool["name"]: tool["state"] for tool in known.json()["tools"]}
        assert (states["http.fetch"], states["time"]) == ("denied", "active")
