"""The siblings that this service asks, as Protocols with an HTTP implementation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast
from uuid import UUID

from kgents_shared.contracts.completions import Completion, CompletionRequest
from kgents_shared.errors import (
    ApiError,
    BadGateway,
    Conflict,
    FaultItem,
    Forbidden,
    GatewayTimeout,
    InvalidInput,
    NotFound,
    TooManyRequests,
    Unauthenticated,
)
from kgents_shared.http.client import CallFailed, ServiceClient
from nl_agent_service.errors import CredentialNotFound, NameTaken

_TIMEOUT_S = 15
_SLACK_S = 5
_MOST_TOOLS = 200
_BY_STATUS: Final[Mapping[int, type[ApiError]]] = {
    403: Forbidden, 404: NotFound, 409: Conflict, 422: InvalidInput, 502: BadGateway, 504: GatewayTimeout,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, by the bearer that they came with, and for which of their organisations."""

    bearer: str
    owner_id: str
    organisation: str | None

    @property
    def headers(self) -> dict[str, str]:
        """A sibling's public routes let in whoever's bearer this is, with those rights and no others."""
        return {"Authorization": f"Bearer {self.bearer}"}

    @property
    def query(self) -> dict[str, str | list[str]]:
        """Whose the thing is to be."""
        return {} if self.organisation is None else {"organisation": self.organisation}


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that an agent of the owner's may be given."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the validator says of a definition."""

    errors: tuple[FaultItem, ...]
    warnings: tuple[FaultItem, ...]


@dataclass(frozen=True, slots=True)
class MadeAgent:
    """An agent that is there now. `name` is how its owner calls it."""

    id: UUID
    name: str
    version: int | None


class Model(Protocol):
    """The platform's model gateway."""

    async def complete(self, request: CompletionRequest) -> Completion:
        """The model's answer. Raises `ApiError` with the gateway's own code."""
        ...


class Agents(Protocol):
    """Agents and tools as the caller may see, check and make them."""

    async def tools(self, caller: Caller) -> list[Tool]:
        """The owner's tools, as many as a model is told of."""
        ...

    async def has(self, caller: Caller, name: str) -> bool:
        """Whether the owner has an agent of that name."""
        ...

    async def validate(self, caller: Caller, definition: dict[str, Any]) -> Verdict:
        """What the platform says of a definition; nothing is kept of it."""
        ...

    async def create(self, caller: Caller, definition: dict[str, Any], *, publish: bool, key: str) -> MadeAgent:
        """Make the agent, at most once for a key. `NameTaken`, `InvalidInput`."""
        ...

    async def create_flow(
        self, caller: Caller, flow: dict[str, Any], beside: Mapping[str, Any], *, key: str
    ) -> MadeAgent:
        """Make the draft that a flow is, with these fields `beside` it. `NameTaken`, `InvalidInput`."""
        ...

    async def publish(self, caller: Caller, agent: MadeAgent, *, key: str) -> MadeAgent:
        """Publish the agent's draft. Raises `ApiError` with management's own code."""
        ...


class HttpModel:
    """The runtime."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def complete(self, request: CompletionRequest) -> Completion:
        """`POST /internal/completions`."""
        body = request.model_dump(mode="json")
        try:
            answer = await self._client.request_json(
                "POST", "/internal/completions", json=body, timeout_s=request.timeout_s + _SLACK_S
            )
        except CallFailed as failed:
            if failed.far_code in {"credential_not_found", "credential_refused"}:
                raise CredentialNotFound(failed.detail) from failed
            if failed.far_status in {401, 403}:
                raise  # it is this service's own token that is refused, not the caller's
            raise _told(failed) from failed
        return Completion.model_validate(answer)


class HttpAgents:
    """The management service and the tool registry, asked as the caller would ask them."""

    def __init__(self, management: ServiceClient, registry: ServiceClient) -> None:
        self._management = management
        self._registry = registry

    async def tools(self, caller: Caller) -> list[Tool]:
        """`GET /api/v1/tools`."""
        query = {**caller.query, "limit": str(_MOST_TOOLS)}
        page = await _asked(self._registry, "GET", "/api/v1/tools", caller, params=query)
        rows = cast("list[dict[str, Any]]", page["items"])
        return [
            Tool(str(row["name"]), str(row["description"]))
            for row in rows
            if row["owner_id"] == caller.owner_id and row["state"] == "active"
        ]

    async def has(self, caller: Caller, name: str) -> bool:
        """`GET /api/v1/agents/{agent}`."""
        spelled = name if caller.organisation is None else f"{caller.organisation}~{name}"
        try:
            await _asked(self._management, "GET", f"/api/v1/agents/{spelled}", caller)
        except NotFound as absent:
            if absent.code != "agent_not_found":
                raise
            return False
        return True

    async def validate(self, caller: Caller, definition: dict[str, Any]) -> Verdict:
        """`POST /api/v1/agents/validate`."""
        found = await _asked(
            self._management, "POST", "/api/v1/agents/validate", caller, params=caller.query, json=definition
        )
        return Verdict(_faults(found["errors"]), _faults(found["warnings"]))

    async def create(self, caller: Caller, definition: dict[str, Any], *, publish: bool, key: str) -> MadeAgent:
        """`POST /api/v1/agents`."""
        return _made(await self._created(caller, definition, publish=publish, key=key))

    async def create_flow(
        self, caller: Caller, flow: dict[str, Any], beside: Mapping[str, Any], *, key: str
    ) -> MadeAgent:
        """`POST /api/v1/agents`, and `PUT /api/v1/agents/{agent}` for what stands beside the flow."""
        made = await self._created(caller, flow, publish=False, key=key)
        if beside:
            whole = {**made["draft"], **beside}
            made = await _asked(self._management, "PUT", f"/api/v1/agents/{made['id']}", caller, json=whole)
        return _made(made)

    async def publish(self, caller: Caller, agent: MadeAgent, *, key: str) -> MadeAgent:
        """`POST /api/v1/agents/{agent}/publish`."""
        path = f"/api/v1/agents/{agent.id}/publish"
        return _made(await _asked(self._management, "POST", path, caller, json={}, key=key))

    async def _created(self, caller: Caller, body: dict[str, Any], *, publish: bool, key: str) -> dict[str, Any]:
        query = {**caller.query, "publish": "true" if publish else "false"}
        try:
            return await _asked(self._management, "POST", "/api/v1/agents", caller, params=query, json=body, key=key)
        except Conflict as conflict:
            if conflict.code == "name_taken":
                raise NameTaken(str(body["name"])) from conflict
            raise


def _made(agent: dict[str, Any]) -> MadeAgent:
    """An agent as management tells of it."""
    of = agent["organisation"]
    return MadeAgent(UUID(agent["id"]), agent["name"] if of is None else f"{of}~{agent['name']}", agent["version"])


async def _asked(
    client: ServiceClient,
    method: str,
    path: str,
    caller: Caller,
    *,
    params: Mapping[str, str | list[str]] | None = None,
    json: Any = None,
    key: str | None = None,
) -> Any:
    headers = caller.headers if key is None else {**caller.headers, "Idempotency-Key": key}
    try:
        return await client.request_json(method, path, params=params, json=json, headers=headers, timeout_s=_TIMEOUT_S)
    except CallFailed as failed:
        raise _told(failed) from failed


def _told(failed: CallFailed) -> ApiError:
    """A sibling's refusal as the caller of this service is told it: the same status and code."""
    if failed.far_status == 401:
        return Unauthenticated("Your token ended while the agent was drafted.", code="token_ended", token_given=True)
    if failed.far_status == 429:
        return TooManyRequests(failed.detail, code=failed.far_code)
    kind = _BY_STATUS.get(failed.far_status)
    return failed if kind is None else kind(failed.detail, code=failed.far_code, errors=_faults_of(failed))


def _faults_of(failed: CallFailed) -> tuple[FaultItem, ...]:
    return _faults(failed.problem.get("errors", []))


def _faults(items: Any) -> tuple[FaultItem, ...]:
    """Faults without line and column: those are places in a text that nobody wrote."""
    rows = cast("list[dict[str, Any]]", items)
    return tuple(FaultItem(tuple(row["loc"]), row["msg"], row["code"], row.get("hint")) for row in rows)
