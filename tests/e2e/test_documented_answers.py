"""Whatever is sent to a route, the OpenAPI document tells of the answer: its status, its type, its shape."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import uuid4

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from kgents_shared.testing.plain_http import PLAIN
from tests.architecture.service_apps import service_apps
from tests.e2e.running_platform import RunningPlatform
from tests.e2e.tenants import PASSWORD, Tenant, asked_approval, furnish, person, service_token
from tests.external.scripted_mcp import scripted_server

# The library's types are generic over parts that differ by version of the document's format.
Operation = APIOperation[Any, Any, Any, Any]
AnyCase = Case[Any]
# Of each kind of case: ids of nothing, nonsense, and the developer's own things.
EXAMPLES = 1
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# They end the session that they are asked with: each time it is another one.
ENDS_ITS_SESSION = {"POST /api/v1/auth/logout", "POST /api/v1/auth/password"}
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@cache
def documents() -> dict[str, dict[str, Any]]:
    """Each service's own document."""
    return {name: app.openapi() for name, app in service_apps().items()}


@cache
def operations(service: str) -> dict[str, Operation]:
    """A service's operations by `METHOD path`."""
    found = schemathesis.openapi.from_dict(documents()[service]).get_all_operations()
    return {operation.label: operation for operation in (result.ok() for result in found if isinstance(result, Ok))}


def labels() -> list[tuple[str, str]]:
    """(service, `METHOD path`) of every operation; what deletes comes last, so that there is something to read."""
    found = [
        (service, f"{method.upper()} {path}")
        for service, document in documents().items()
        for path, item in document["paths"].items()
        for method in item
    ]
    return sorted(found, key=lambda one: (_METHODS.index(one[1].split()[0]), one))


@dataclass
class Callers:
    """Who asks: a developer with a thing of every kind, an administrator, and a service on the private listener."""

    url: str
    private_url: str
    developer: Tenant
    administrator: str
    services: dict[str, str]
    more: list[str] = field(default_factory=list[str])


@pytest.fixture(scope="module")
async def callers(
    tmp_path_factory: pytest.TempPathFactory, model_environment: dict[str, str]
) -> AsyncGenerator[Callers]:
    async with AsyncExitStack() as stack:
        mcp = await stack.enter_async_context(scripted_server(tmp_path_factory.mktemp("mcp")))
        home = tmp_path_factory.mktemp("documented") / "home"
        platform = await stack.enter_async_context(RunningPlatform(home, model_environment))
        admin = await stack.enter_async_context(await platform.client())
        token = (await person(admin, {"developer"}))["access_token"]
        http = httpx.AsyncClient(
            base_url=platform.url, headers={"Authorization": f"Bearer {token}"}, timeout=60, verify=PLAIN
        )
        developer = Tenant(await stack.enter_async_context(http))
        await furnish(developer, "mine", mcp)
        port = (platform.home / "run" / "private.port").read_text().strip()
        visitor = await stack.enter_async_context(httpx.AsyncClient(base_url=platform.url, timeout=60, verify=PLAIN))
        services = {
            service: await service_token(
                platform, visitor, "runtime" if service != "runtime" else "deployment", service
            )
            for service in documents()
        }
        registry = await service_token(platform, visitor, "tools", "governance")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, verify=PLAIN) as inside:
            approval = await asked_approval(inside, registry, developer.things["user_id"][0])
        developer.things["approval_id"] = [approval["id"]]
        throw_away = await sessions(admin, 6 * EXAMPLES)
        administrator = (await person(admin, {"admin"}))["access_token"]
        yield Callers(platform.url, f"http://127.0.0.1:{port}", developer, administrator, services, throw_away)


async def sessions(admin: httpx.AsyncClient, number: int) -> list[str]:
    """The access tokens of so many logins of one person."""
    email = f"{uuid4().hex}@example.org"
    made = await admin.post("/api/v1/admin/users", json={"email": email, "name": "Ada", "password": PASSWORD})
    assert made.status_code == 201, made.text
    body = {"email": email, "password": PASSWORD}
    return [(await admin.post("/api/v1/auth/login", json=body)).json()["access_token"] for _ in range(number)]


def tried(operation: Operation, mode: GenerationMode, ask: Callable[[AnyCase], None], **given_: Any):
    """Ask with cases that the document allows, or with such as it doesn't."""
    strategy = operation.as_strategy(generation_mode=mode, **given_)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(case=strategy)
    def try_one(case: AnyCase) -> None:
        ask(case)

    try:
        try_one()
    except Unsatisfiable:
        # A parameter that may be any text can't be wrong.
        assert mode is GenerationMode.NEGATIVE


@pytest.mark.parametrize(("service", "label"), labels(), ids=lambda part: part)
async def test_every_answer_is_one_that_the_document_tells_of(callers: Callers, service: str, label: str):
    operation = operations(service)[label]
    is_inner = operation.path.startswith("/internal")
    base_url = f"{callers.private_url}/{service}" if is_inner else callers.url

    def asked_by(token: str) -> Callable[[AnyCase], None]:
        def ask(case: AnyCase) -> None:
            bearer = callers.more.pop() if label in ENDS_ITS_SESSION else token
            case.call_and_validate(
                base_url=base_url, headers={"Authorization": f"Bearer {bearer}"}, checks=CHECKS, timeout=60
            )

        return ask

    token = callers.services[service] if is_inner else callers.administrator
    developer = str(callers.developer.http.headers["Authorization"]).removeprefix("Bearer ")
    own = {name: callers.developer.things.get(name, ["nothing"])[0] for name in re.findall(r"{(\w+)}", label)}
    await asyncio.to_thread(tried, operation, GenerationMode.POSITIVE, asked_by(token))
    if _can_be_wrong(operation):
        await asyncio.to_thread(tried, operation, GenerationMode.NEGATIVE, asked_by(token))
    if not is_inner:
        given_ = {"path_parameters": own} if own else {}
        await asyncio.to_thread(tried, operation, GenerationMode.POSITIVE, asked_by(developer), **given_)


def _can_be_wrong(operation: Operation) -> bool:
    """Whether nonsense is soon found. A text in which hardly anything is forbidden is seldom wrong by chance."""
    if list(operation.body):
        return True
    found = (parameter.definition["schema"] for parameter in operation.iter_parameters())
    kinds: list[dict[str, Any]] = [kind for schema in found for kind in [schema, *schema.get("anyOf", ())]]
    return any(
        kind.get("type", "string") not in {"string", "null"}
        or kind.keys() & {"format", "enum", "$ref"}
        or not kind.get("pattern", "^[^").startswith("^[^")
        for kind in kinds
    )
