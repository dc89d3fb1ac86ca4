"""What goes over the wire for draftings."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from kgents_shared.contracts.agent_spec import AgentName, LlmSpec, storable
from kgents_shared.contracts.model import Contract
from kgents_shared.http.openapi import Fault
from nl_agent_service.drafts.models import DraftRow, DraftState

MAX_DESCRIPTION_CHARS = 8000
Kind = Literal["spec", "flow"]

Words = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_DESCRIPTION_CHARS),
    AfterValidator(storable),
]


class DraftRequest(Contract):
    """What somebody wants an agent for, in their own words."""

    description: Words = Field(description="What the agent is for, in plain language.")
    kind: Kind = Field(
        default="spec",
        description="`spec`: a definition. `flow`: a simple flow of Langflow, without tools and memory.",
    )
    name: AgentName | None = Field(default=None, description="What it is to be called; absent, the model chooses.")
    llm: LlmSpec = Field(
        default=LlmSpec(),
        description="Which model drafts it and answers as it, by whose account; as in a definition.",
    )
    publish: bool = Field(default=False, description="Publish it as well, unless a scenario of its draft fails.")


class Attempt(BaseModel):
    """One draft of the model's, and what was wrong with it."""

    faults: list[Fault]
    prompt_tokens: int
    completion_tokens: int


class ScenarioOutcome(BaseModel):
    """A conversation that the model thought of to try its draft, and whether what it expects held."""

    name: str
    status: Literal["passed", "failed"]
    failures: list[str]
    transcript: list[str]


class Result(BaseModel):
    """What came of a drafting. `definition` and `scenarios_file` are TOML; `left_out` is what no draft may say.

    A flow's `definition` is JSON, which Langflow imports, and there is no `scenarios_file` of it.
    """

    name: str | None = None
    version: int | None = None
    definition: str | None = None
    scenarios_file: str | None = None
    left_out: list[Fault] = Field(default_factory=list[Fault])
    warnings: list[Fault] = Field(default_factory=list[Fault])
    scenarios: list[ScenarioOutcome] = Field(default_factory=list[ScenarioOutcome])
    notes: list[str] = Field(default_factory=list[str])


class DraftingFault(BaseModel):
    """Why there is no agent."""

    code: str
    detail: str


class DraftedAgent(BaseModel):
    """The agent that was made: `name` is how its owner calls it, `version` what was published of it."""

    id: UUID
    name: str
    version: int | None


class DraftingUsage(BaseModel):
    """What the model's answers took in all, those to the scenarios included."""

    prompt_tokens: int
    completion_tokens: int


class Drafting(BaseModel):
    """A drafting, from the request to the agent.

    `attempts` are the model's drafts in their order, of which the last one's faults, if any, ended it. `left_out`
    tells what they said and may not say, `warnings` what is likely a mistake in the definition. That is TOML, or a
    flow's JSON, which Langflow imports.
    """

    id: UUID
    owner_id: str
    state: DraftState
    kind: Kind
    description: str
    publish: bool
    agent: DraftedAgent | None
    definition: str | None
    scenarios_file: str | None
    attempts: list[Attempt]
    left_out: list[Fault]
    warnings: list[Fault]
    scenarios: list[ScenarioOutcome]
    notes: list[str]
    usage: DraftingUsage
    fault: DraftingFault | None
    created_at: datetime
    ended_at: datetime | None


def drafting_view(row: DraftRow) -> Drafting:
    """A drafting as it goes over the wire."""
    result = Result.model_validate(row.result)
    agent = None
    if row.agent_id is not None and result.name is not None:
        agent = DraftedAgent(id=row.agent_id, name=result.name, version=result.version)
    told: dict[str, Any] = result.model_dump(exclude={"name", "version"})
    return Drafting(
        id=row.id,
        owner_id=row.owner_id,
        state=DraftState(row.state),
        kind=row.asked.get("kind", "spec"),
        description=row.asked["description"],
        publish=row.asked["publish"],
        agent=agent,
        attempts=[Attempt.model_validate(attempt) for attempt in row.attempts],
        usage=DraftingUsage(prompt_tokens=row.prompt_tokens, completion_tokens=row.completion_tokens),
        fault=None if row.fault is None else DraftingFault.model_validate(row.fault),
        created_at=row.created_at,
        ended_at=row.ended_at,
        **told,
    )
