"""Whatever is sent to a route, the OpenAPI document tells of the answer: its status, its type, its shape."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from uuid import uuid4

import httpx
import pytest
import requests
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
from tests.architecture.service_apps import recorded_document, service_apps
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
    """(service, `METHOD path`) of every public operation, by what is recorded: no document is made to collect tests.

    What deletes comes last, so that there is something to read.
    """
    found = [
        (operation["tags"][0], f"{method.upper()} {path}")
        for path, item in recorded_document()["paths"].items()
        for method, operation in item.items()
    ]
    return sorted(found, key=lambda one: (_METHODS.index(one[1].split()[0]), one))


def inner_operations() -> Iterator[tuple[str, Operation]]:
    """Those of the private listener that a document tells of."""
    for service in documents():
        for operation in operations(service).values():
            if operation.path.startswith("/internal"):
                yield service, operation


def _without_cookies() -> requests.Session:
    """One connection for all requests, and nothing else that goes from one to the next."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


@dataclass
class Callers:
    """Who asks: a developer with a thing of every kind, an administrator, and a service on the private listener."""

    url: str
    private_url: str
    developer: Tenant
    administrator: str
    services: dict[str, str]
    more: list[str] = field(default_factory=list[str])
    sending: requests.Session = field(default_factory=_without_cookies)

    def ask(self, case: AnyCase, base_url: str, bearer: str) -> None:
        """Send a case, and hold the answer to the document."""
        if case.operation.label in ENDS_ITS_SESSION:
            bearer = self.more.pop()
        case.call_and_validate(
            base_url=base_url,
            session=self.sending,
            headers={"Authorization": f"Bearer {bearer}"},
            checks=CHECKS,
            timeout=60,
        )


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


def tried(operation: Operation, mode: GenerationMode, ask: Callable[[AnyCase], None]) -> None:
    """Ask with cases that the document allows, or with such as it doesn't."""
    strategy = operation.as_strategy(generation_mode=mode)

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


def test_every_public_operation_is_asked():
    inner = {(service, operation.label) for service, operation in inner_operations()}
    assert {(service, label) for service in documents() for label in operations(service)} == {*labels(), *inner}


@pytest.mark.parametrize(("service", "label"), labels(), ids=lambda part: part)
async def test_every_answer_is_one_that_the_document_tells_of(callers: Callers, service: str, label: str):
    operation = operations(service)[label]
    own = {name: callers.developer.things.get(name, ["nothing"])[0] for name in re.findall(r"{(\w+)}", label)}
    developer = str(callers.developer.http.headers["Authorization"]).removeprefix("Bearer ")

    def of_nothing_and_of_own(case: AnyCase) -> None:
        with_own = case.derive()
        with_own.path_parameters = own
        callers.ask(case, callers.url, callers.administrator)
        callers.ask(with_own, callers.url, developer)

    def ask_all() -> None:
        tried(operation, GenerationMode.POSITIVE, of_nothing_and_of_own)
        if _can_be_wrong(operation):
            tried(
                operation,
                GenerationMode.NEGATIVE,
                lambda case: callers.ask(case, callers.url, callers.administrator),
            )

    await asyncio.to_thread(ask_all)


async def test_every_inner_answer_is_one_that_the_document_tells_of(callers: Callers):
    def ask_all(service: str, operation: Operation) -> None:
        def ask(case: AnyCase) -> None:
            callers.ask(case, f"{callers.private_url}/{service}", callers.services[service])

        tried(operation, GenerationMode.POSITIVE, ask)
        if _can_be_wrong(operation):
            tried(operation, GenerationMode.NEGATIVE, ask)

    for service, operation in inner_operations():
        await asyncio.to_thread(ask_all, service, operation)


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
