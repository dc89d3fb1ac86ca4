"""What endpoints ask for in their signatures: the caller, a transaction, a body, a key."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, TypeVar, cast

from fastapi import Depends, Header, Request
from pydantic import BaseModel

from agent_management_service.agents.reference import agent_reference
from agent_management_service.agents.repository import AgentRepository
from agent_management_service.agents.service import AgentService
from agent_management_service.clients import AttestationSigner, ShellObserver
from agent_management_service.desired.repository import DesiredRepository
from agent_management_service.errors import UnsupportedMediaType
from agent_management_service.flows.errors import FlowNotOfParts
from agent_management_service.flows.publishing import FlowGate
from agent_management_service.flows.repository import FlowRepository
from agent_management_service.flows.service import FlowService
from agent_management_service.idempotency.repository import IdempotencyRepository
from agent_management_service.idempotency.service import KeyedRequest, Once
from agent_management_service.kinds.assembly import Kinds
from agent_management_service.kinds.errors import TeamNotOfParts
from agent_management_service.labels.service import LabelService
from agent_management_service.profiles.events import AttestationEvents
from agent_management_service.profiles.service import AttestationService
from agent_management_service.publishing.events import AgentEvents
from agent_management_service.publishing.schemas import NoOptions, Rollback
from agent_management_service.publishing.service import PublishingService
from agent_management_service.reloads.repository import ReloadRepository
from agent_management_service.reloads.service import ReloadService
from agent_management_service.settings import ManagementSettings
from agent_management_service.versions.repository import VersionRepository
from agent_management_service.versions.service import VersionService
from agent_management_service.wrappers.service import WrapperService
from kgents_shared.auth import Principal, Reference, require, require_service
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.db import Database
from kgents_shared.definitions.compile import compile_body
from kgents_shared.definitions.documents import Document, Language, parse_json
from kgents_shared.definitions.limits import SystemLimits
from kgents_shared.definitions.reading import Definition, read_definition, refuse_long
from kgents_shared.errors import FaultItem, InvalidInput
from kgents_shared.events import OutboxRelay

BodyT = TypeVar("BodyT", bound=BaseModel)
_MAX_KEY_CHARS = 255
INLINE_BYTES = 16 * 1024

AgentsRead = Annotated[Principal, Depends(require("agents:read"))]
AgentsWrite = Annotated[Principal, Depends(require("agents:write"))]
DeploymentCalls = Annotated[Principal, Depends(require_service("deployment"))]
DeploymentOrRuntimeCalls = Annotated[Principal, Depends(require_service("deployment", "runtime"))]


@dataclass(frozen=True, slots=True)
class Work:
    """The services over one transaction."""

    agents: AgentService
    versions: VersionRepository
    comparing: VersionService
    publishing: PublishingService
    labels: LabelService
    reloads: ReloadService
    flows: FlowService
    kinds: Kinds
    wrappers: WrapperService
    attestations: AttestationService
    desired: DesiredRepository
    once: Once


def system_limits(request: Request) -> SystemLimits:
    """What the operator lets definitions ask for."""
    return cast("ManagementSettings", request.app.state.settings).system_limits


async def _transaction(request: Request) -> AsyncGenerator[Work]:
    """One request is one transaction: committed when the endpoint returns, before its answer is sent.

    What only reads needs none: its queries stand for themselves.
    """
    database = cast("Database", request.app.state.database)
    signer = cast("AttestationSigner", request.app.state.attestation_signer)
    async with database.reading() if request.method == "GET" else database.transaction() as session:
        agents, versions = AgentRepository(session), VersionRepository(session)
        flows, comparing = FlowRepository(session), VersionService(agents, versions)
        drafts = AgentService(agents, flows, system_limits(request))
        gate = FlowGate(flows, cast("ShellObserver", request.app.state.shell_observer))
        publishing = PublishingService(agents, versions, AgentEvents(session), gate)
        kinds = Kinds.over(session, drafts, publishing)
        yield Work(
            agents=drafts,
            versions=versions,
            comparing=comparing,
            publishing=publishing,
            labels=LabelService(agents, versions, publishing),
            reloads=ReloadService(agents, drafts, comparing, publishing, ReloadRepository(session)),
            flows=FlowService(agents, versions, flows),
            kinds=kinds,
            wrappers=WrapperService(kinds.wrappers.things, drafts, versions, publishing),
            attestations=AttestationService(
                kinds.profiles.things, kinds.profile_reading, versions, AttestationEvents(session), signer
            ),
            desired=DesiredRepository(session),
            once=Once(IdempotencyRepository(session)),
        )
    if request.method != "GET":
        cast("OutboxRelay", request.app.state.relay).wake()


Transaction = Annotated[Work, Depends(_transaction, scope="function")]


# What the caller needs for it, the route says beside it.
def _this_agent(principal: Annotated[Principal, Depends(require())], agent: str) -> Reference:
    return agent_reference(principal, agent)


ThisAgent = Annotated[Reference, Depends(_this_agent)]


def definition_language(request: Request) -> Language:
    """The language that the request says its definition is in; `UnsupportedMediaType` for any other."""
    media_type = _media_type(request)
    if media_type == "application/toml":
        return "toml"
    if media_type == "application/json":
        return "json"
    raise UnsupportedMediaType(media_type)


async def _definition(request: Request) -> Definition:
    language, limits = definition_language(request), system_limits(request)
    body = await request.body()
    if len(body) <= INLINE_BYTES:
        return read_definition(body, language, limits)
    # A long definition takes up to a tenth of a second: others are served meanwhile.
    return await asyncio.to_thread(read_definition, body, language, limits)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def json_document(request: Request, body: bytes) -> Document:
    """The data of the request's JSON body; `UnsupportedMediaType` where it says that it is something else."""
    media_type = _media_type(request)
    if media_type != "application/json":
        raise UnsupportedMediaType(media_type)
    refuse_long(body)
    return parse_json(body)


async def _json_body(request: Request, model: type[BodyT]) -> BodyT:
    return compile_body(json_document(request, await request.body()), model)


async def _no_options(request: Request) -> NoOptions:
    return await _json_body(request, NoOptions) if await request.body() else NoOptions()


async def _rollback(request: Request) -> Rollback:
    return await _json_body(request, Rollback)


async def _checked_definition(request: Request) -> Definition | InvalidInput:
    try:
        return await _definition(request)
    except InvalidInput as fault:
        return fault


SentDefinition = Annotated[Definition, Depends(_definition)]


def _chat_definition(definition: SentDefinition) -> AgentSpec:
    if definition.spec.runtime.shell != "Chat":
        raise FlowNotOfParts
    if definition.spec.team is not None:
        raise TeamNotOfParts
    return definition.spec


# For a route that takes agents apart: a flow has no ghost and no model.
ChatDefinition = Annotated[AgentSpec, Depends(_chat_definition)]
# For a route that does something with a definition that has faults.
CheckedDefinition = Annotated[Definition | InvalidInput, Depends(_checked_definition)]
NoOptionsBody = Annotated[NoOptions, Depends(_no_options)]
RollbackBody = Annotated[Rollback, Depends(_rollback)]


async def _keyed(
    request: Request, principal: AgentsWrite, idempotency_key: Annotated[str | None, Header()] = None
) -> KeyedRequest | None:
    """The caller's Idempotency-Key with the request that it stands for; None where there is none."""
    if idempotency_key is None:
        return None
    key = idempotency_key
    if not 0 < len(key) <= _MAX_KEY_CHARS or not (key.isascii() and key.isprintable()):
        fault = FaultItem(
            ("header", "Idempotency-Key"), f"must be 1 to {_MAX_KEY_CHARS} printable ASCII characters", "bad_key"
        )
        raise InvalidInput("The Idempotency-Key can't be used.", errors=[fault])
    # Not out of the URL: the Host that the caller names is part of that, and can shift its path (CVE-2026-48710).
    path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
    line = f"{request.method} {path}?{query} {_media_type(request)}"
    return KeyedRequest.of(principal.owner_id, key, line.encode(), await request.body())


Keyed = Annotated[KeyedRequest | None, Depends(_keyed)]
