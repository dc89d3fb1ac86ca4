"""From a description to an agent: draft, the platform's validator, up to three repairs, a trial, and the agent."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kgents_shared.auth import Principal
from kgents_shared.contracts.agent_spec import AgentSpec, LlmSpec
from kgents_shared.contracts.completions import Completion, CompletionMessage, CompletionRequest
from kgents_shared.contracts.refs import secrets_in
from kgents_shared.db import new_id
from kgents_shared.definitions.flows.compile import name_of_flow
from kgents_shared.definitions.writing import to_toml
from kgents_shared.errors import ApiError, FaultItem
from kgents_shared.errors.refs_only import secret_fault
from kgents_shared.http.openapi import Fault
from nl_agent_service.clients import Agents, Caller, MadeAgent, Model
from nl_agent_service.drafts.asking import Drafted, answer_schema, correction, opening, read_answer
from nl_agent_service.drafts.bounds import Places, bounded, without_foreign_tools
from nl_agent_service.drafts.flows import beside_flow, flow_of
from nl_agent_service.drafts.models import DraftRow, DraftState
from nl_agent_service.drafts.repository import DraftRepository
from nl_agent_service.drafts.schemas import DraftRequest, Result, ScenarioOutcome
from nl_agent_service.drafts.storing import storable
from nl_agent_service.errors import DraftNotValid, DraftTimeout, DraftUnderWay, KeyReused, NameTaken

ATTEMPTS = 4  # a draft and three repairs
_MOST_NAMES = 5
_MOST_COUNTED = 2**31 - 1
_PURPOSE = "drafting an agent"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a whole drafting and one answer may take (seconds), and how long a draft may be (tokens)."""

    whole_s: float
    answer_s: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for an agent. `key` is the Idempotency-Key with the hash of what came with it."""

    principal: Principal
    caller: Caller
    body: DraftRequest
    key: tuple[str, bytes] | None = None


@dataclass(slots=True)
class _Work:
    """A drafting under way."""

    row: DraftRow
    asked: Asked
    result: Result = field(default_factory=Result)

    def count(self, answer: Completion) -> None:
        """What providers tell of a usage is bounded for each answer, and the columns for their sum."""
        usage = answer.usage
        self.row.prompt_tokens = min(self.row.prompt_tokens + usage.prompt_tokens, _MOST_COUNTED)
        self.row.completion_tokens = min(self.row.completion_tokens + usage.completion_tokens, _MOST_COUNTED)

    def attempted(self, answer: Completion, faults: Sequence[FaultItem]) -> None:
        usage = answer.usage.model_dump(exclude={"estimated"})
        self.row.attempts.append({"faults": [fault.as_json() for fault in faults], **usage})


@dataclass(frozen=True, slots=True)
class DraftService:
    """Draftings. Each is kept, whatever becomes of it."""

    drafts: DraftRepository
    model: Model
    agents: Agents
    places: Places
    patience: Patience

    async def draft(self, asked: Asked) -> tuple[DraftRow, bool]:
        """The drafting of a request, and whether it was made before under the same key.

        Raises `DraftNotValid`, `NameTaken`, `DraftTimeout`, and what the siblings refuse, all with `draft_id`.
        """
        row = _new_row(asked)
        give_back = self.places.take(asked.principal.owner_id)
        try:
            earlier = await self.drafts.begin(row)
            if earlier is not None:
                return _same(earlier, row), True
            work = _Work(row, asked)
            try:
                async with asyncio.timeout(self.patience.whole_s):
                    await self._make(work)
            except TimeoutError:
                raise await self._failed(work, DraftTimeout(self.patience.whole_s)) from None
            except ApiError as error:
                raise await self._failed(work, error) from error
            except Exception:
                # Else its key would be taken, and it be shown as under way, until it is swept.
                await self._failed(work, ApiError("The drafting failed inside; the log has more."))
                raise
            await self._end(work)
            return row, False
        finally:
            give_back()

    async def _make(self, work: _Work) -> None:
        asked, result = work.asked, work.result
        name = asked.body.name
        if name is not None and await self.agents.has(asked.caller, name):
            raise NameTaken(name)
        definition, drafted = await self._valid_draft(work)
        spec = AgentSpec.model_validate(definition)
        result.scenarios = await self._tried(work, spec, drafted)
        made = await self._created(work, definition)
        if result.scenarios_file is not None:
            named = f'agent = "{definition["name"]}.toml"'
            result.scenarios_file = result.scenarios_file.replace(f'agent = "{spec.name}.toml"', named, 1)
        result.name, result.version = made.name, made.version
        if asked.body.kind == "flow":
            if name is not None and definition["name"] != name:
                result.notes.append(f"It is named {definition['name']}: a flow's name has no two hyphens in a row.")
            result.definition = json.dumps(flow_of(definition), ensure_ascii=False, indent=1) + "\n"
        else:
            result.definition = to_toml(spec.model_copy(update={"name": definition["name"]}))
        work.row.agent_id = made.id
        work.row.state = DraftState.DRAFTED if made.version is None else DraftState.PUBLISHED

    async def _valid_draft(self, work: _Work) -> tuple[dict[str, Any], Drafted]:
        """The first draft without faults. `DraftNotValid` where four have some."""
        asked = work.asked
        # Who may not see tools gives an agent none.
        may_have_tools = asked.body.kind == "spec" and "tools:read" in asked.principal.scopes
        tools = await self.agents.tools(asked.caller) if may_have_tools else []
        schema = answer_schema(asked.body.kind)
        said = opening(asked.body, tools)
        faults: Sequence[FaultItem] = ()
        for _ in range(ATTEMPTS):
            answer = await self._answer(work, self._drafting_llm(asked.body.llm), said, schema)
            drafted = read_answer(answer)
            if isinstance(drafted, FaultItem):
                faults, definition = [drafted], dict[str, Any]()
            else:
                definition, faults = await self._checked(work, drafted)
            work.attempted(answer, faults)
            if not faults and isinstance(drafted, Drafted):
                return definition, drafted
            said = [*said, *correction(answer, faults)]
        raise DraftNotValid(ATTEMPTS, faults)

    async def _checked(self, work: _Work, drafted: Drafted) -> tuple[dict[str, Any], Sequence[FaultItem]]:
        """The definition that a draft makes, and its faults; what was left out is told of the last draft."""
        asked, result = work.asked, work.result
        secrets = [secret_fault(found) for found in secrets_in(drafted.agent)]
        if secrets:
            return {}, secrets
        definition, left_out = bounded(drafted.agent, asked.body)
        verdict = await self.agents.validate(asked.caller, definition)
        if not verdict.errors:
            bounded_tools, foreign = without_foreign_tools(definition, verdict.warnings)
            if foreign:
                definition, left_out = bounded_tools, [*left_out, *foreign]
                verdict = await self.agents.validate(asked.caller, definition)
        warnings = verdict.warnings
        if asked.body.kind == "flow" and not verdict.errors:
            definition["name"] = name_of_flow(definition["name"])
            verdict = await self.agents.validate(asked.caller, flow_of(definition))
            warnings = (*warnings, *verdict.warnings)
        result.left_out = [Fault.model_validate(fault.as_json()) for fault in left_out]
        result.warnings = [Fault.model_validate(fault.as_json()) for fault in warnings]
        return definition, verdict.errors

    async def _tried(self, work: _Work, spec: AgentSpec, drafted: Drafted) -> list[ScenarioOutcome]:
        """How the draft's scenarios went, with the agent's own model and system prompt."""
        # A third of what this service loads: the host starts without it.
        from nl_agent_service.drafts.scenarios import (  # noqa: PLC0415
            read_scenarios,
            scenarios_toml,
            try_case,
        )

        scenarios, work.result.notes = read_scenarios(drafted.scenarios)
        if scenarios is None:
            return []
        is_flow = work.asked.body.kind == "flow"
        if is_flow:
            work.result.notes.append("The scenarios come in no file: `kgents test-agent` drives no flows.")
        else:
            work.result.scenarios_file = scenarios_toml(scenarios, spec.name)
        if spec.tools.allow:
            work.result.notes.append("The scenarios were tried without the agent's tools.")

        async def ask(messages: Sequence[CompletionMessage]) -> Completion:
            return await self._answer(work, spec.llm, messages, None)

        return [await try_case(case, spec, ask, remembers=not is_flow) for case in scenarios.case]

    async def _created(self, work: _Work, definition: dict[str, Any]) -> MadeAgent:
        """The agent, under another name where the model chose one that the owner has. It is told in `notes`."""
        asked, result, chosen = work.asked, work.result, str(definition["name"])
        publish = asked.body.publish
        failed = [scenario.name for scenario in result.scenarios if scenario.status == "failed"]
        if publish and failed:
            publish = False
            result.notes.append(f"It is not published: the scenario {failed[0]!r} failed.")
        for number in range(1, _MOST_NAMES + 1):
            try:
                key = f"draft-{work.row.id}-{number}"
                made = await self._agent_of(work, definition, publish=publish, key=key)
            except NameTaken:
                if asked.body.name is not None or number == _MOST_NAMES:
                    raise
                definition["name"] = f"{chosen[:60].rstrip('-')}-{number + 1}"
                continue
            if definition["name"] != chosen:
                result.notes.append(f"It is named {definition['name']}: you have an agent named {chosen} already.")
            return made
        raise NameTaken(chosen)

    async def _agent_of(self, work: _Work, definition: dict[str, Any], *, publish: bool, key: str) -> MadeAgent:
        """The agent of a definition, or of the flow that is made of it: why that isn't published is told in `notes`."""
        caller = work.asked.caller
        if work.asked.body.kind == "spec":
            return await self.agents.create(caller, definition, publish=publish, key=key)
        made = await self.agents.create_flow(caller, flow_of(definition), beside_flow(definition), key=key)
        if not publish:
            return made
        try:
            return await self.agents.publish(caller, made, key=f"{key}-publish")
        except ApiError as refused:
            # Its draft is there, whatever becomes of it: most platforms run no flows before these are installed.
            why = "; ".join(fault.msg for fault in refused.errors) or refused.detail
            work.result.notes.append(f"It is not published: {why}")
            return made

    async def _answer(
        self, work: _Work, llm: LlmSpec, messages: Sequence[CompletionMessage], schema: dict[str, Any] | None
    ) -> Completion:
        answer = await self.model.complete(
            CompletionRequest(
                owner_id=work.row.owner_id,
                purpose=_PURPOSE,
                llm=llm,
                messages=list(messages),
                answer_schema=schema,
                timeout_s=self.patience.answer_s,
            )
        )
        work.count(answer)
        return answer

    def _drafting_llm(self, llm: LlmSpec) -> LlmSpec:
        """The model that was asked for. How warm and how long the agent is to answer says nothing of drafts of it."""
        return llm.model_copy(update={"temperature": None, "max_tokens": self.patience.tokens})

    async def _failed(self, work: _Work, error: ApiError) -> ApiError:
        """Keep why it failed; its key may be used again. The error with the drafting's id."""
        work.row.state = DraftState.FAILED
        work.row.fault = {"code": error.code, "detail": error.detail}
        work.row.idempotency_key = None
        await self._end(work)
        error.extra["draft_id"] = str(work.row.id)
        return error

    async def _end(self, work: _Work) -> None:
        row = work.row
        row.result = storable(work.result.model_dump(mode="json"))
        row.attempts, row.fault = storable(row.attempts), storable(row.fault)
        row.ended_at = datetime.now(UTC)
        await self.drafts.end(row)


def _new_row(asked: Asked) -> DraftRow:
    key, request_hash = asked.key or (None, None)
    return DraftRow(
        id=new_id(),
        owner_id=asked.caller.owner_id,
        asked_by=asked.principal.owner_id,
        asked=asked.body.model_dump(mode="json"),
        state=DraftState.RUNNING,
        attempts=[],
        result={},
        agent_id=None,
        prompt_tokens=0,
        completion_tokens=0,
        fault=None,
        idempotency_key=key,
        request_hash=request_hash,
        created_at=datetime.now(UTC),
        ended_at=None,
    )


def _same(earlier: DraftRow, row: DraftRow) -> DraftRow:
    """The earlier drafting of a key. `KeyReused`, `DraftUnderWay`."""
    if earlier.request_hash != row.request_hash:
        raise KeyReused
    if earlier.state == DraftState.RUNNING:
        raise DraftUnderWay({"draft_id": str(earlier.id)})
    return earlier
