"""What the runtime asks of other services, answered by a small real server that follows the contracts.

The real siblings are met in the end-to-end suite; here a test needs answers to its liking, and a record of the calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID, uuid4

from aiohttp import web
from jose import jwt

from kgents_shared.contracts.approvals import ApprovalStatus, CancelApprovals
from kgents_shared.contracts.credentials import ResolveCredentialRequest
from kgents_shared.contracts.deployments import DeploymentState, ObservedDeployment
from kgents_shared.contracts.published_agent import PublishedAgent
from kgents_shared.contracts.standing import Standing
from kgents_shared.contracts.tools import InvokeToolRequest, RecordedCall, StopCalls
from kgents_shared.contracts.worker import ToolCallResult, ToolDefinition

Invoke = Callable[[InvokeToolRequest], Awaitable[ToolCallResult]]
RunVersion = Callable[[int], Awaitable[tuple[int, str] | None]]
CLOCK = ToolDefinition(
    name="time.now",
    description="The time of day.",
    input_schema={"type": "object", "properties": {"zone": {"type": "string"}}},
)


async def tell_arguments(request: InvokeToolRequest) -> ToolCallResult:
    """The tool's answer unless a test wants another: its own arguments."""
    return ToolCallResult(content=f"{request.name} {request.arguments}")


class AnswerLater(Exception):
    """A call of a tool is answered by this run, which waits."""

    def __init__(self, run_id: UUID) -> None:
        self.run_id = run_id


@dataclass
class Approval:
    """One that a call of a tool waits for."""

    call: InvokeToolRequest
    id: UUID = field(default_factory=uuid4)
    status: ApprovalStatus = "pending"
    note: str = ""


@dataclass
class RuntimeSiblings:
    """Auth's token endpoint and vault, management's `resolve`, and the tool registry's two calls, on one port; and
    the deployment service's, which runs a version that is asked for by number as `run_version` does, and says why an
    agent's instance last ended.

    Which tools there are is told once the gate `slow_to_resolve` is open. Calls of tools cost what `prices` says.

    What the registry records of a call is that it was allowed, unless `denied` has its tool with the rule.

    Stopping the calls of a run that is `slow_to_stop` takes until the gate is open; one that is `garbled` is answered
    with nonsense, once.

    A call of a tool that is `gated` waits until its approval, one of `approvals`, has another status.

    `agents` are found by (owner, name or id). `invocations` holds every call of a tool in its order; `effects` holds
    one entry per Idempotency-Key, as a registry that keeps its promise does.
    """

    agents: dict[tuple[str, str], PublishedAgent] = field(default_factory=dict[tuple[str, str], PublishedAgent])
    tools: list[ToolDefinition] = field(default_factory=lambda: [CLOCK])
    invoke: Invoke = tell_arguments
    invocations: list[InvokeToolRequest] = field(default_factory=list[InvokeToolRequest])
    effects: dict[str, ToolCallResult] = field(default_factory=dict[str, ToolCallResult])
    prices: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    resolutions: int = 0
    slow_to_resolve: Gate | None = None
    gated: set[str] = field(default_factory=set[str])
    approvals: dict[str, Approval] = field(default_factory=dict[str, Approval])
    denied: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    forgotten: set[str] = field(default_factory=set[str])
    cancelled_runs: list[UUID] = field(default_factory=list[UUID])
    stopped_runs: list[UUID] = field(default_factory=list[UUID])
    slow_to_stop: dict[UUID, Gate] = field(default_factory=dict[UUID, "Gate"])
    garbled: set[UUID] = field(default_factory=set[UUID])
    under_way: dict[str, asyncio.Future[ToolCallResult]] = field(
        default_factory=dict[str, "asyncio.Future[ToolCallResult]"]
    )
    credentials: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    versions_wanted: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    run_version: RunVersion | None = None
    last_error: str | None = None
    organisations: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    credential_uses: list[ResolveCredentialRequest] = field(default_factory=list[ResolveCredentialRequest])
    _runner: web.AppRunner | None = None
    port: int = 0

    @property
    def url(self) -> str:
        """The base address that stands for each sibling's."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/api/v1/auth/token", self._token)
        app.router.add_get("/internal/agents/resolve", self._resolve_agent)
        app.router.add_put("/internal/agents/{agent_id}/versions/{number}", self._want_version)
        app.router.add_get("/internal/deployments/{agent_id}", self._observe_deployment)
        app.router.add_post("/internal/tools/resolve", self._resolve_tools)
        app.router.add_post("/internal/tools/invoke", self._invoke_tool)
        app.router.add_get("/internal/tools/calls", self._recorded_calls)
        app.router.add_post("/internal/tools/stop", self._stop_tools)
        app.router.add_post("/internal/credentials/resolve", self._resolve_credential)
        app.router.add_get("/internal/people/{subject}/standing", self._standing)
        app.router.add_get("/api/v1/credentials", self._credentials_of)
        app.router.add_get("/internal/approvals/states", self._approval_states)
        app.router.add_post("/internal/approvals/cancel", self._cancel_approvals)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _token(self, _: web.Request) -> web.Response:
        return web.json_response({"access_token": "a-service-token", "expires_in": 900, "token_type": "Bearer"})

    async def _standing(self, request: web.Request) -> web.Response:
        joined = self.organisations.get(request.match_info["subject"], [])
        return web.json_response(Standing(active=True, organisations={one: one for one in joined}).model_dump())

    async def _resolve_agent(self, request: web.Request) -> web.Response:
        found = self.agents.get((request.query["owner_id"], request.query["agent"]))
        if found is None:
            problem = {"status": 404, "code": "agent_not_found", "detail": "There is no such agent."}
            return web.json_response(problem, status=404, content_type="application/problem+json")
        return web.json_response(found.model_dump(mode="json"))

    async def _observe_deployment(self, request: web.Request) -> web.Response:
        if self.last_error is None:
            return web.json_response(None)
        observed = ObservedDeployment(
            agent_id=UUID(request.match_info["agent_id"]), version=1, state=DeploymentState.STARTING, instances=1,
            ready=0, last_error=self.last_error, updated_at=datetime.now(UTC),
        )  # fmt: skip
        return web.json_response(observed.model_dump(mode="json"))

    async def _want_version(self, request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        self.versions_wanted.append((request.match_info["agent_id"], number))
        refusal = await self.run_version(number) if self.run_version is not None else None
        if refusal is None:
            return web.Response(status=204)
        status, code = refusal
        problem = {"status": status, "code": code, "detail": "It is refused."}
        return web.json_response(problem, status=status, content_type="application/problem+json")

    async def _resolve_credential(self, request: web.Request) -> web.Response:
        """`credentials` are found by reference, for the owner that each names."""
        asked = ResolveCredentialRequest.model_validate_json(await request.read())
        self.credential_uses.append(asked)
        found = self.credentials.get(asked.credential_ref)
        if found is None or found["owner_id"] != asked.owner_id:
            problem = {"status": 404, "code": "credential_not_found", "detail": "There is no such credential."}
            return web.json_response(problem, status=404, content_type="application/problem+json")
        kept = {name: value for name, value in found.items() if name != "owner_id"}
        return web.json_response({"credential_ref": asked.credential_ref, "type": "llm_provider", "version": 1, **kept})

    async def _credentials_of(self, request: web.Request) -> web.Response:
        """Those of whoever's token it is."""
        claims = jwt.get_unverified_claims(request.headers["Authorization"].removeprefix("Bearer "))
        if "credentials:read" not in claims["scope"].split():
            problem = {"status": 403, "code": "forbidden", "detail": "It needs the scope credentials:read."}
            return web.json_response(problem, status=403, content_type="application/problem+json")
        items = [
            {
                "credential_ref": ref,
                "name": f"name of {ref}",
                "owner_id": kept["owner_id"],
                "provider": kept.get("provider"),
            }
            for ref, kept in self.credentials.items()
            if kept["owner_id"] == claims["sub"]
        ]
        return web.json_response({"items": items, "next_cursor": None})

    async def _resolve_tools(self, _: web.Request) -> web.Response:
        self.resolutions += 1
        if self.slow_to_resolve is not None:
            await self.slow_to_resolve.hold()
        return web.json_response(
            {"tools": [tool.model_dump(mode="json") for tool in self.tools], "prices": self.prices}
        )

    async def _invoke_tool(self, request: web.Request) -> web.Response:
        call = InvokeToolRequest.model_validate_json(await request.read())
        self.invocations.append(call)
        approval = self._approval_for(call)
        if approval is not None and approval.status == "pending":
            waiting = {"approval_id": str(approval.id), "expires_at": "2099-01-01T00:00:00Z"}
            return web.json_response({"content": "", "is_error": False, "waiting": waiting})
        if approval is not None and approval.status != "approved":
            return web.json_response({"content": f"{approval.status}: {approval.note}", "is_error": True})
        if call.idempotency_key not in self.effects:
            task = self.under_way[call.idempotency_key] = asyncio.ensure_future(self.invoke(call))
            try:
                self.effects[call.idempotency_key] = await task
            except AnswerLater as later:
                return web.json_response({"content": "", "awaited_run": str(later.run_id)})
        result = self.effects[call.idempotency_key]
        answer = {"content": result.content, "is_error": result.is_error, "cost": self.prices.get(call.name)}
        return web.json_response(answer)

    async def _recorded_calls(self, request: web.Request) -> web.Response:
        """What was invoked is recorded as completed, unless `denied` says that a rule forbids the tool."""
        runs = request.query.getall("run_id")
        calls = {call.idempotency_key: call for call in self.invocations if str(call.run_id) in runs}
        rows = [
            RecordedCall(
                run_id=call.run_id or UUID(int=0), tool_call_id=call.tool_call_id,
                outcome="denied" if call.name in self.denied else "completed", side_effect="read",
                denied_by=self.denied.get(call.name), approval_id=self._approval_id(call), result_bytes=12,
                latency_ms=3.5, cost="0.250000", cost_currency="USD", started_at=datetime.now(UTC), ended_at=None,
            ).model_dump(mode="json")
            for call in calls.values()
        ]  # fmt: skip
        return web.json_response({"calls": rows})

    def _approval_id(self, call: InvokeToolRequest) -> UUID | None:
        approval = self._approval_for(call)
        return None if approval is None else approval.id

    async def _stop_tools(self, request: web.Request) -> web.Response:
        """As the registry does for tools that only read: what is out ends, and had no effect."""
        run_id = StopCalls.model_validate_json(await request.read()).run_id
        self.stopped_runs.append(run_id)
        if (gate := self.slow_to_stop.get(run_id)) is not None:
            await gate.hold()
        if run_id in self.garbled:
            self.garbled.discard(run_id)
            return web.json_response({"calls": "many"})
        calls = [call for call in self.invocations if call.run_id == run_id]
        for call in calls:
            if (task := self.under_way.pop(call.idempotency_key, None)) is not None:
                task.cancel()
        states = ["completed" if call.idempotency_key in self.effects else "cancelled" for call in calls]
        rows = [{"tool_call_id": call.tool_call_id, "state": state} for call, state in zip(calls, states, strict=True)]
        return web.json_response({"calls": rows})

    def _approval_for(self, call: InvokeToolRequest) -> Approval | None:
        if call.name not in self.gated:
            return None
        return self.approvals.setdefault(call.idempotency_key, Approval(call))

    @property
    def pending(self) -> list[Approval]:
        """What nobody has decided."""
        return [approval for approval in self.approvals.values() if approval.status == "pending"]

    async def _approval_states(self, request: web.Request) -> web.Response:
        known = {str(approval.id): approval.status for approval in self.approvals.values()}
        expires_at = (datetime.now(UTC) + timedelta(days=7)).isoformat()
        rows = [
            # Of other tests' runs, which wait in the same database, nobody has decided anything.
            {"id": asked, "status": known.get(asked, "pending"), "expires_at": expires_at}
            for asked in request.query.getall("ids")
            if asked not in self.forgotten
        ]
        return web.json_response({"approvals": rows})

    async def _cancel_approvals(self, request: web.Request) -> web.Response:
        self.cancelled_runs.append(CancelApprovals.model_validate_json(await request.read()).run_id)
        return web.json_response({"cancelled": 1})


class Gate:
    """Holds a tool (or a model) at a point until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()
        self._left = asyncio.Event()

    async def hold(self) -> None:
        """Tell that the point is reached and wait there."""
        self.reached.set()
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            self._left.set()
            raise

    async def wait_reached(self, within_s: float = 20) -> None:
        """Wait until somebody is held."""
        await asyncio.wait_for(self.reached.wait(), within_s)

    async def wait_left(self, within_s: float = 20) -> None:
        """Wait until somebody who was held is broken off."""
        await asyncio.wait_for(self._left.wait(), within_s)

    def open(self) -> None:
        """Let everybody go on."""
        self.opened.set()


def fields_of(answer: Any, *names: str) -> tuple[Any, ...]:
    """Some fields of a JSON answer."""
    return tuple(answer[name] for name in names)
