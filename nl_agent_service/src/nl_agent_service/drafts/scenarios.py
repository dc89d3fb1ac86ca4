"""The scenarios that a model drafts beside an agent: read as `kgents test-agent` reads them, and tried at once."""

from collections.abc import Sequence
from typing import Any, Protocol

from pydantic import ValidationError

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.completions import Completion, CompletionMessage
from kgents_shared.contracts.refs import secrets_in
from kgents_shared.errors import ApiError
from kgents_shared.scenarios.expectations import Seen, broken
from kgents_shared.scenarios.files import Case, Scenarios, Turn
from nl_agent_service.drafts.schemas import ScenarioOutcome

MOST_CASES = 2
MOST_TURNS = 3
MOST_EXPECTED = 20
_MOST_SHOWN_CHARS = 2000
# An expression of a model's own is never run: some take for ever.
_JUDGED = ("contains", "lacks")


class Ask(Protocol):
    """One more answer of the agent's model."""

    async def __call__(self, messages: Sequence[CompletionMessage]) -> Completion:
        """The answer; raises `ApiError`."""
        ...


def read_scenarios(drafted: Sequence[Any]) -> tuple[Scenarios | None, list[str]]:
    """The scenarios that can be used, in test-agent's shape, and sentences on those that can't."""
    if not drafted:
        return None, ["The model drafted no scenario: the agent was not tried."]
    if secrets_in(list(drafted)):
        return None, ["The drafted scenarios hold what looks like a secret: they were dropped, the agent not tried."]
    cases: list[dict[str, Any]] = []
    notes: list[str] = []
    for number, row in enumerate(drafted[:MOST_CASES], 1):
        try:
            case = _case(row)
            names = [made["name"] for made in cases]
            named = {**case, "name": f"{case['name']} ({number})"} if case["name"] in names else case
            Scenarios.model_validate({"case": [*cases, named]})
            cases.append(named)
        except (ValidationError, TypeError, KeyError, AttributeError):
            notes.append(f"Scenario {number} of the draft can't be read: it was dropped.")
    return (Scenarios.model_validate({"case": cases}) if cases else None), notes


def _case(row: Any) -> dict[str, Any]:
    turns = [
        {"user": turn["user"], "expect": {name: _expected(turn, name) for name in _JUDGED}}
        for turn in row["turn"][:MOST_TURNS]
    ]
    return Case.model_validate({"name": row["name"], "model": "real", "turn": turns}).model_dump(
        mode="json", exclude_defaults=True
    )


def _expected(turn: Any, name: str) -> Any:
    """Texts that are looked for, each of which takes its time."""
    return (turn.get("expect", {}).get(name) or [])[:MOST_EXPECTED]


def scenarios_toml(scenarios: Scenarios, agent: str) -> str:
    """The file that `kgents test-agent --real` takes."""
    import tomli_w  # noqa: PLC0415 -- definitions are read far more often than written

    table: dict[str, Any] = {"agent": f"{agent}.toml", **scenarios.model_dump(mode="json", exclude_defaults=True)}
    return tomli_w.dumps(table)


async def try_case(case: Case, spec: AgentSpec, ask: Ask, *, remembers: bool = True) -> ScenarioOutcome:
    """Have the model answer as the agent, without tools, and hold each answer to what the case expects.

    An agent that doesn't remember is asked each turn by itself.
    """
    told = CompletionMessage(role="system", content=spec.system_prompt)
    said = [told]
    failures: list[str] = []
    transcript: list[str] = []
    for number, turn in enumerate(case.turn, 1):
        said = [*(said if remembers else [told]), CompletionMessage(role="user", content=turn.user)]
        transcript.append(f"user: {turn.user}")
        try:
            answer = await ask(said)
        except ApiError as failed:
            failures.append(f"turn {number}: run: it failed with {failed.code}: {failed.detail}")
            break
        transcript.append(f"agent: {_shown(answer.text)}")
        said.append(CompletionMessage(role="assistant", content=_storable(answer.text)))
        failures += [f"turn {number}: {name}: {sentence}" for name, sentence in _broken(turn, answer)]
    return ScenarioOutcome(
        name=case.name, status="failed" if failures else "passed", failures=failures, transcript=transcript
    )


def _broken(turn: Turn, answer: Completion) -> list[tuple[str, str]]:
    tokens = answer.usage.prompt_tokens + answer.usage.completion_tokens
    seen = Seen(text=answer.text, failure=None, calls=[], offered=[], requests=[], tokens=tokens, cost=None)
    return list(broken(turn.expect, seen))


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _shown(text: str) -> str:
    text = _storable(text)
    return text if len(text) <= _MOST_SHOWN_CHARS else f"{text[:_MOST_SHOWN_CHARS]}…"
