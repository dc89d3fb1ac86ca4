"""Parts of every kind, made over the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

KINDS = ("ghost", "model", "shell", "bot", "team")
Make = Callable[..., Awaitable[dict[str, Any]]]


def path_of(kind: str, thing: str = "") -> str:
    """`/api/v1/kinds/ghosts`, or one of them."""
    return f"/api/v1/kinds/{kind}s" + (f"/{thing}" if thing else "")


async def minimal(http: httpx.AsyncClient, kind: str, name: str, organisation: str | None = None) -> dict[str, Any]:
    """The least that a body of this kind holds, with what it refers to made before."""
    if kind == "ghost":
        return {"name": name, "system_prompt": "You help."}
    if kind == "bot":
        parts = {part: await made(http, part, f"{name}-of-bot", organisation) for part in ("ghost", "model", "shell")}
        return {"name": name, **{f"{part}_id": row["id"] for part, row in parts.items()}}
    if kind == "team":
        bot = await made(http, "bot", f"{name}-of-team", organisation)
        return {"name": name, "members": [{"bot_id": bot["id"]}]}
    return {"name": name}


async def made(
    http: httpx.AsyncClient, kind: str, name: str, organisation: str | None = None, **fields: Any
) -> dict[str, Any]:
    """One thing of the kind; what it refers to is made with it where `fields` doesn't name it."""
    needs = {"bot": "ghost_id", "team": "members"}.get(kind)
    least: dict[str, Any] = {"name": name} if needs in fields else await minimal(http, kind, name, organisation)
    whose = {"organisation": organisation} if organisation else {}
    answer = await http.post(path_of(kind), json={**least, **fields}, params=whose)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture
def make(caller: httpx.AsyncClient) -> Make:
    """`await make("ghost", "name", description="…")` → the thing that `caller` made."""

    async def make_one(kind: str, name: str, **fields: Any) -> dict[str, Any]:
        return await made(caller, kind, name, **fields)

    return make_one
