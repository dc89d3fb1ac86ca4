"""Files to scenarios and agents, with every fault shown at its place."""

from pathlib import Path

from kgents_cli.agent_tests.running import Job
from kgents_cli.definition_files import read_at_most
from kgents_cli.faults import BadInput, CliError
from kgents_cli.problems import problem_error
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.definitions.compile import compile_body, compile_spec
from kgents_shared.definitions.documents import MAX_DOCUMENT_BYTES, parse_json, parse_scenarios, parse_toml
from kgents_shared.errors import InvalidInput
from kgents_shared.scenarios.files import Scenarios


def load_job(file: Path, agent: Path | None = None, spec: AgentSpec | None = None) -> Job:
    """A scenario file with its agent: `spec`, or the one that `agent` defines, or the one that the file names."""
    scenarios = load_scenarios(file)
    if spec is None:
        spec = load_agent(agent or _named_agent(file, scenarios))
    if spec.runtime.shell != "Chat":
        raise BadInput(
            f"{spec.name} can't be tested by scenarios: its shell is {spec.runtime.shell}",
            hint="scenarios drive the platform's own loop, which the shell Chat is",
        )
    return Job(file, scenarios, spec)


def _named_agent(file: Path, scenarios: Scenarios) -> Path:
    if scenarios.agent is None:
        raise BadInput(f"{file} names no agent", hint='add a line such as agent = "my-agent.toml", or --agent FILE')
    return file.parent / scenarios.agent


def load_scenarios(file: Path) -> Scenarios:
    """The scenarios in a file; `BadInput` with all that is wrong with them."""
    content = read_at_most(file, MAX_DOCUMENT_BYTES, "name a scenario file: docs/testing-agents.md says what it holds")
    try:
        document = parse_scenarios(content)
        if isinstance(document.value, dict) and "system_prompt" in document.value:
            raise BadInput(
                f"{file} is an agent's definition", hint=f"name its scenarios: --agent {file} SCENARIOS.toml"
            )
        return compile_body(document, Scenarios)
    except InvalidInput as refused:
        raise _shown(refused, file) from refused


def load_agent(file: Path) -> AgentSpec:
    """The agent that a TOML or JSON file defines; `BadInput` with all that is wrong with it."""
    return agent_of(read_at_most(file, MAX_DOCUMENT_BYTES, "name the agent's TOML file"), file)


def agent_of(content: bytes, source: Path) -> AgentSpec:
    """The agent that a text defines; `source` is where it is from, and says whether it is JSON."""
    parse = parse_json if source.suffix == ".json" else parse_toml
    try:
        return compile_spec(parse(content))
    except InvalidInput as refused:
        raise _shown(refused, source) from refused


def _shown(refused: InvalidInput, source: Path) -> CliError:
    problem = {
        "detail": refused.detail.replace("The body", f"{source}"),
        "code": refused.code,
        "errors": [fault.as_json() for fault in refused.errors],
    }
    return problem_error(refused.status, problem, source=str(source))
