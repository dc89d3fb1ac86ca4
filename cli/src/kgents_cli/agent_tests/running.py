"""Runs the cases of a scenario file: the worker's own loop, turn after turn, as the runtime would drive it."""

import asyncio
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

from agent_runtime_service.gateway.providers import Provider
from agent_worker.failures import RunFailed
from agent_worker.loop import AgentLoop
from agent_worker.team import finish_as_team
from agent_worker.window import TokenGauge
from kgents_cli.agent_tests.door import ScenarioDoor, TurnRecord, open_door
from kgents_cli.agent_tests.mocked_tools import MockedTools
from kgents_cli.agent_tests.models import ScriptedModel, open_real_model, real_choice, scripted_choice
from kgents_cli.agent_tests.outcomes import CaseOutcome, Failure, FileOutcome
from kgents_shared.contracts.agent_spec import AgentSpec, ToolsSpec
from kgents_shared.contracts.teams import tool_of
from kgents_shared.contracts.worker import Message, ModelChoice, RunRequest, WorkerEvent
from kgents_shared.scenarios.expectations import Seen, broken
from kgents_shared.scenarios.files import Case, Scenarios, Turn


@dataclass(frozen=True, slots=True)
class Job:
    """One scenario file with the agent that it is run on."""

    file: Path
    scenarios: Scenarios
    spec: AgentSpec


@dataclass(frozen=True, slots=True)
class Choice:
    """Which cases are run: those whose name holds `wanted`; those of a real model only where `real` is set."""

    wanted: str = ""
    real: bool = False
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)


def run_jobs(jobs: Sequence[Job], choice: Choice) -> list[FileOutcome]:
    """Run the chosen cases of all files, one after another; `BadInput` where a real model can't be reached."""
    return asyncio.run(_run_jobs(jobs, choice))


async def _run_jobs(jobs: Sequence[Job], choice: Choice) -> list[FileOutcome]:
    async with open_door() as door:
        return [await _run_file(job, choice, door) for job in jobs]


async def _run_file(job: Job, choice: Choice, door: ScenarioDoor) -> FileOutcome:
    cases = [case for case in job.scenarios.case if choice.wanted in case.name]
    outcomes = [await _run_case(job, case, choice, door) for case in cases]
    return FileOutcome(job.file, job.spec.name, tuple(outcomes))


async def _run_case(job: Job, case: Case, choice: Choice, door: ScenarioDoor) -> CaseOutcome:
    if case.model == "real" and not choice.real:
        return CaseOutcome(case.name, status="skipped")
    began = time.perf_counter()
    async with AsyncExitStack() as stack:
        model, real = scripted_choice(job.spec.llm), None
        if case.model == "real":
            model = real_choice(job.spec.llm, choice.env)
            real = await open_real_model(stack, model, choice.env)
        run = _CaseRun(job, case, door, model, real)
        for number, turn in enumerate(case.turn, 1):
            await run.take(number, turn)
        outcome = run.outcome
    outcome.status = "failed" if outcome.failures else "passed"
    outcome.seconds = time.perf_counter() - began
    return outcome


class _CaseRun:
    """One conversation: its transcript so far, its tools, what came out."""

    def __init__(self, job: Job, case: Case, door: ScenarioDoor, model: ModelChoice, real: Provider | None) -> None:
        self._job = job
        self._door = door
        self._choice = model
        self._real = real
        self._tools = MockedTools(job.scenarios.tools_of(case), _with_members(job.spec))
        self._context: tuple[Message, ...] = ()
        self._conversation_id = uuid4()
        self.outcome = CaseOutcome(case.name)

    async def take(self, number: int, turn: Turn) -> None:
        """Send the turn's message, let the agent end its run, and compare."""
        offered = [tool.name for tool in self._tools.definitions]
        script = ScriptedModel(turn.replies, offered)
        spec = self._job.spec
        until = asyncio.get_running_loop().time() + spec.limits.timeout_s
        record = TurnRecord(self._real or script, self._choice, self._tools, until)
        messages = (*self._context, Message(role="user", text=turn.user))
        text, failure = await self._run(record, messages)
        cost = self._account(record)
        self._tell(turn.user, record, text, failure)
        seen = Seen(
            text=text,
            failure=failure,
            calls=record.calls,
            offered=offered,
            requests=record.requests,
            tokens=record.prompt_tokens + record.completion_tokens,
            cost=cost,
        )
        found = [Failure(number, name, sentence) for name, sentence in broken(turn.expect, seen)]
        if self._real is None and script.unused and not found:
            what = f"{script.unused} of the scripted replies were never asked for"
            found.append(Failure(number, "replies", what))
        told = [*self._tools.gaps, *(self._tools.notes if found else ())]
        self.outcome.failures += [*found, *(Failure(number, "tools", sentence) for sentence in dict.fromkeys(told))]
        self._tools.gaps.clear()
        self._tools.notes.clear()
        if failure is None:  # the context of the next turn holds no failed run, as on the platform
            self._context = (*messages, *record.messages, Message(role="assistant", text=text))

    async def _run(self, record: TurnRecord, messages: tuple[Message, ...]) -> tuple[str, tuple[str, str] | None]:
        """The answer, or why there is none."""
        spec, run_id = self._job.spec, uuid4()
        request = RunRequest(
            run_id=run_id,
            conversation_id=self._conversation_id,
            epoch=1,
            messages=messages,
            tools=self._tools.definitions,
            llm=self._choice,
            max_steps=spec.limits.max_steps,
            deadline_s=spec.limits.timeout_s,
            window_tokens=spec.memory.window_tokens,
        )
        self._door.runs[str(run_id)] = record
        door = self._door.worker_side.for_run(run_id, request.epoch)
        try:
            async with asyncio.timeout(spec.limits.timeout_s):
                if spec.team is not None:
                    final = await finish_as_team(spec, spec.team, request, door, _nobody_listens, TokenGauge())
                else:
                    final = await AgentLoop(spec.system_prompt, request, door, _nobody_listens).finish()
        except RunFailed as failed:
            return "", (failed.code, failed.detail)
        except TimeoutError:
            return "", ("deadline_exceeded", f"The run did not end within its {spec.limits.timeout_s} seconds.")
        finally:
            del self._door.runs[str(run_id)]
        return final.text, None

    def _account(self, record: TurnRecord) -> Decimal | None:
        """Add what the turn took to the case's; the turn's cost."""
        outcome, prices = self.outcome, self._job.scenarios.prices
        outcome.steps += len(record.requests)
        outcome.prompt_tokens += record.prompt_tokens
        outcome.completion_tokens += record.completion_tokens
        if prices is None:
            return None
        outcome.cost = prices.cost(outcome.prompt_tokens, outcome.completion_tokens)
        return prices.cost(record.prompt_tokens, record.completion_tokens)

    def _tell(self, user: str, record: TurnRecord, text: str, failure: tuple[str, str] | None) -> None:
        """Add the turn to the case's transcript."""
        lines = [f"user: {user}"]
        for message in record.messages:
            if message.role == "tool":
                lines.append(f"{'error' if message.is_error else 'result'}: {message.text}")
                continue
            lines += [f"agent: {message.text}"] if message.text else []
            lines += [
                f"call: {call.name} {json.dumps(call.arguments, ensure_ascii=False)}" for call in message.tool_calls
            ]
        lines.append(f"agent: {text}" if failure is None else f"failed: {failure[0]}: {failure[1]}")
        self.outcome.transcript += lines


async def _nobody_listens(event: WorkerEvent) -> None:
    del event


def _with_members(spec: AgentSpec) -> ToolsSpec:
    """What may be called: of a team the members, too, each as `team.<name>`."""
    if spec.team is None:
        return spec.tools
    members = [tool_of(member.agent) for member in spec.team.members]
    return spec.tools.model_copy(update={"allow": [*spec.tools.allow, *members]})
