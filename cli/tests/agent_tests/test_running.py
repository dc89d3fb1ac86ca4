"""Cases run on the worker's own loop, as the platform would run them."""

from __future__ import annotations

import asyncio
import json

import pytest

from kgents_cli.agent_tests.loading import load_job
from kgents_cli.agent_tests.mocked_tools import MockedTools
from kgents_cli.agent_tests.running import Choice, run_jobs
from kgents_cli.faults import BadInput
from kgents_shared.contracts.agent_spec import ToolsSpec
from kgents_shared.scenarios.files import MockedTool
from kgents_shared.testing.anthropic_server import AnthropicServer
from kgents_shared.testing.gemini_server import GeminiServer
from kgents_shared.testing.model_answers import NeverAnswers
from kgents_shared.testing.model_server import CutStream, ModelServer
from kgents_shared.testing.ollama_server import OllamaServer

from .conftest import AGENT, RunCase, WriteScenarios


def test_the_transcript_tells_what_was_said_and_called(run_case: RunCase):
    outcome = run_case("""
[[case.turn]]
user = "What time is it?"
replies = [{ text = "Let me look.", call = "time.now", arguments = { zone = "UTC" } }, "Nine."]
""")
    assert outcome.transcript == [
        "user: What time is it?",
        "agent: Let me look.",
        'call: time.now {"zone": "UTC"}',
        'result: {"at": "09:00"}',
        "agent: Nine.",
    ]


def test_a_later_turn_has_the_conversation_so_far(run_case: RunCase):
    outcome = run_case("""
[[case.turn]]
user = "What time is it?"
replies = [{ call = "time.now" }, "Nine."]
[[case.turn]]
user = "Again?"
replies = ["Still nine."]
[case.turn.expect]
model_saw = ["What time is it?", "09:00", "Nine.", "Again?"]
steps = 1
""")
    assert outcome.failures == []


def test_a_failed_turn_stays_out_of_the_conversation(run_case: RunCase):
    outcome = run_case("""
[[case.turn]]
user = "Never stop."
replies = [{ call = "time.now", times = 3 }]
[case.turn.expect]
fails = "max_steps_reached"
steps = 3
[[case.turn]]
user = "Hello?"
replies = ["Here I am."]
[case.turn.expect]
model_saw = ["Never stop."]
""")
    assert [str(failure) for failure in outcome.failures] == [
        'turn 2: model_saw: "Never stop." is in no message that the model was given'
    ]


def test_several_calls_of_one_answer_are_made_in_their_order(run_case: RunCase):
    outcome = run_case("""
[[case.turn]]
user = "Both."
replies = [{ calls = ["time.now", { tool = "mail.send", arguments = { to = "ada" } }] }, "Done."]
[case.turn.expect]
calls = ["time.now", { tool = "mail.send", arguments = { to = "ada" } }]
steps = 2
""")
    assert outcome.failures == []


def test_a_tool_that_the_agent_may_not_have_is_not_there(run_case: RunCase):
    outcome = run_case("""
[[case.turn]]
user = "Delete all."
replies = [{ call = "mail.delete" }, "I can't."]
[case.turn.expect]
model_saw = ["There is no tool named mail.delete here."]
""")
    assert outcome.failures == []
    assert "error: There is no tool named mail.delete here." in outcome.transcript


def test_a_failed_case_says_why_a_tool_was_not_there(run_case: RunCase):
    outcome = run_case("""
[[case.turn]]
user = "Delete all."
replies = [{ call = "mail.delete" }, "I can't."]
[case.turn.expect]
contains = ["Deleted"]
""")
    assert "its [tools] deny has mail.delete" in outcome.failures[-1].message


def test_what_a_capability_stands_for_is_whatever_the_scenario_mocks():
    mocks = [MockedTool.model_validate({"name": name, "answer": [{"result": "x"}]}) for name in ("a.b", "c.d")]
    allowed = MockedTools(mocks, ToolsSpec(allow=["capability:reading"], deny=["c.*"]))
    assert [tool.name for tool in allowed.definitions] == ["a.b"]
    assert MockedTools(mocks, ToolsSpec(allow=["e.f"])).definitions == ()


def test_a_mock_answers_by_arguments_and_in_turn(run_case: RunCase):
    tools = """
[[tool]]
name = "time.now"
[[tool.answer]]
when = { zone = "UTC" }
once = true
error = "busy"
[[tool.answer]]
when = { zone = "UTC" }
result = "nine"
[[tool.answer]]
when = { zone = "CET" }
result = "ten"
"""
    utc, cet = (
        '{ call = "time.now", arguments = { zone = "UTC" } }',
        '{ tool = "time.now", arguments = { zone = "CET" } }',
    )
    outcome = run_case(
        f'[[case.turn]]\nuser = "When?"\nreplies = [{utc}, {{ calls = [{cet}] }}, "Nine."]\n'
        f'[[case.turn]]\nuser = "And now?"\nreplies = [{utc}, "Nine."]',
        tools=tools,
    )
    assert [line for line in outcome.transcript if line.startswith(("result", "error"))] == [
        "error: busy", "result: ten", "result: nine",
    ]  # fmt: skip


def test_arguments_that_no_mock_answers_fail_the_case(run_case: RunCase):
    tools = '[[tool]]\nname = "time.now"\n[[tool.answer]]\nwhen = { zone = "CET" }\nresult = "ten"\n'
    outcome = run_case('[[case.turn]]\nuser = "Hi"\nreplies = [{ call = "time.now" }, "Ten?"]', tools=tools)
    assert [str(failure) for failure in outcome.failures] == [
        "turn 1: tools: the mock of time.now has no answer for {}"
    ]


def test_a_cases_own_mock_stands_before_the_files(run_case: RunCase):
    outcome = run_case("""
[[case.tool]]
name = "mail.send"
error = "no network"
[[case.turn]]
user = "Mail Ada."
replies = [{ call = "mail.send" }, "It didn't go: no network."]
[case.turn.expect]
offered = ["mail.send", "time.now"]
""")
    assert "error: no network" in outcome.transcript
    assert outcome.failures == []


def test_a_script_that_ends_too_early_fails_the_case(run_case: RunCase):
    outcome = run_case('[[case.turn]]\nuser = "Hi"\nreplies = [{ call = "time.now" }]')
    [failure] = outcome.failures
    assert failure.expectation == "run"
    assert "The model was asked 2 times; the scenario has 1 reply." in failure.message


def test_replies_that_nobody_asked_for_fail_the_case(run_case: RunCase):
    outcome = run_case('[[case.turn]]\nuser = "Hi"\nreplies = ["Hello", "Anything else?"]')
    assert [failure.expectation for failure in outcome.failures] == ["replies"]


def test_a_file_may_hold_hundreds_of_cases(write_scenarios: WriteScenarios):
    case = (
        '[[case]]\nname = "case {}"\n[[case.turn]]\nuser = "Hi"\nreplies = ["Hello"]\n[case.turn.expect]\nsteps = 1\n'
    )
    file = write_scenarios("".join(case.format(number) for number in range(400)))
    [outcome] = run_jobs([load_job(file)], Choice(wanted="case 39"))
    assert outcome.count("passed") == 11


def test_cases_are_chosen_by_words_of_their_name(write_scenarios: WriteScenarios):
    case = '[[case]]\nname = "{}"\n[[case.turn]]\nuser = "Hi"\nreplies = ["Hello"]\n'
    file = write_scenarios(case.format("greets Ada") + case.format("greets Bob"))
    [outcome] = run_jobs([load_job(file)], Choice(wanted="Bob"))
    assert [one.name for one in outcome.cases] == ["greets Bob"]


REAL = '[[case.turn]]\nuser = "call time.now {}"\n[case.turn.expect]\ncalls = ["time.now"]\ncontains = ["09:00"]\n'


def test_a_case_of_a_real_model_is_skipped_unless_asked_for(run_case: RunCase):
    outcome = run_case(f'model = "real"\n{REAL}')
    assert (outcome.status, outcome.transcript) == ("skipped", [])


async def test_a_real_model_is_asked_over_its_own_wire_and_meets_mocked_tools(write_scenarios: WriteScenarios):
    file = write_scenarios(f'[[case]]\nname = "the case"\nmodel = "real"\n{REAL}')
    async with ModelServer(api_key="sk-real") as model:
        env = {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": "sk-real", "OPENAI_MODEL": "small"}
        [outcome] = await asyncio.to_thread(run_jobs, [load_job(file)], Choice(real=True, env=env))
        sent = [json.loads(request.raw) for request in model.requests]
    [case] = outcome.cases
    assert [str(failure) for failure in case.failures] == []
    assert [request["model"] for request in sent] == ["small", "small"]
    assert case.prompt_tokens > 0


@pytest.mark.parametrize(
    ("provider", "server"), [("anthropic", AnthropicServer), ("google", GeminiServer), ("ollama", OllamaServer)]
)
async def test_a_real_model_of_another_provider_is_asked_over_that_ones_wire(
    write_scenarios: WriteScenarios, provider: str, server: type[AnthropicServer | GeminiServer | OllamaServer]
):
    """A stream that breaks off is asked for again."""
    agent = AGENT.replace("[tools]", f'[llm]\nprovider = "{provider}"\nmodel = "small"\n[tools]')
    saw = 'model_saw = ["call time.now", "09:00"]\n'
    file = write_scenarios(f'[[case]]\nname = "the case"\nmodel = "real"\n{REAL}{saw}', agent=agent)
    async with server(api_key="sk-real") as model:
        model.script(CutStream())
        env = {f"{provider.upper()}_BASE_URL": model.base_url, f"{provider.upper()}_API_KEY": "sk-real"}
        [outcome] = await asyncio.to_thread(run_jobs, [load_job(file)], Choice(real=True, env=env))
        asked = [request.model for request in model.completions]
    [case] = outcome.cases
    assert [str(failure) for failure in case.failures] == []
    assert asked == ["small"] * 3
    assert case.prompt_tokens > 0


async def test_a_model_that_never_answers_fails_the_case_in_time(write_scenarios: WriteScenarios):
    file = write_scenarios(
        '[[case]]\nname = "the case"\nmodel = "real"\n[[case.turn]]\nuser = "Hi"\n[case.turn.expect]\ncontains = ["x"]',
        agent=AGENT.replace("[limits]", "[limits]\ntimeout_s = 1"),
    )
    async with ModelServer() as model:
        model.script(NeverAnswers())
        choice = Choice(real=True, env={"OPENAI_BASE_URL": model.base_url})
        [outcome] = await asyncio.to_thread(run_jobs, [load_job(file)], choice)
    [run, contains] = outcome.cases[0].failures
    assert (run.expectation, contains.expectation) == ("run", "contains")
    assert "provider_timeout" in run.message


def test_an_agent_on_the_echo_needs_no_key(run_case: RunCase):
    outcome = run_case(
        'model = "real"\n[[case.turn]]\nuser = "Hello"\n[case.turn.expect]\ncontains = ["You said: Hello"]',
        Choice(real=True, env={}),
    )
    assert outcome.failures == []


def test_a_real_model_that_nothing_leads_to_is_bad_input(run_case: RunCase):
    agent = AGENT.replace("[tools]", '[llm]\nprovider = "openai"\n[tools]')
    with pytest.raises(BadInput, match="how to reach a real model of the provider openai"):
        run_case('model = "real"\n[[case.turn]]\nuser = "Hello"', Choice(real=True, env={}), agent=agent)


TEAM = """
name = "newsroom"
system_prompt = "You run a newsroom."
[team]
mode = "{mode}"
members = [{{ agent = "writer", role = "writes" }}, {{ agent = "editor" }}]
"""
MEMBERS = """
[[tool]]
name = "team.writer"
result = "A draft."
[[tool]]
name = "team.editor"
result = "A text."
"""


@pytest.mark.parametrize(
    ("mode", "replies", "calls"),
    [
        ("pipeline", "[]", ["writer", "editor"]),
        ("route", '[{ call = "team.editor", arguments = { message = "it" } }]', ["editor"]),
        ("coordinate", '[{ call = "team.writer", arguments = { message = "Go" } }, "A text."]', ["writer"]),
    ],
)
def test_a_teams_members_are_mocked_like_tools(run_case: RunCase, mode: str, replies: str, calls: list[str]):
    outcome = run_case(
        f'[[case.turn]]\nuser = "Tea"\nreplies = {replies}\n[case.turn.expect]\ntext = "A text."\n',
        agent=TEAM.format(mode=mode), tools=MEMBERS,
    )  # fmt: skip
    assert outcome.failures == []
    assert [line.partition(" {")[0] for line in outcome.transcript if line.startswith("call: ")] == [
        f"call: team.{name}" for name in calls
    ]
