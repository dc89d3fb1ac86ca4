"""From a sentence to a draft: the first good one, repairs, giving up, what a model does wrong, publishing."""

import json
import tomllib
from typing import Any

import pytest

from kgents_shared.testing.model_server import CutStream, NeverAnswers, RawAnswer, Reply, StatusFault, rate_limited
from tests.external.running_nl import SCENARIO, Nl, draft


def faults_of(attempt: dict[str, Any]) -> list[tuple[str, str]]:
    return [(".".join(map(str, fault["loc"])), fault["code"]) for fault in attempt["faults"]]


async def test_a_good_first_draft_is_tried_and_becomes_an_agents_draft_that_its_owner_reads(nl: Nl):
    said = draft(SCENARIO)
    name = json.loads(said)["agent"]["name"]
    nl.model.script(Reply(said, prompt_tokens=100, completion_tokens=50), "rain falls")
    told = await nl.drafted("A poet who writes four lines")
    assert (told["state"], told["agent"]["name"], told["agent"]["version"]) == ("drafted", name, None)
    assert tomllib.loads(told["definition"])["system_prompt"] == "You write poems of four lines."
    assert [attempt["faults"] for attempt in told["attempts"]] == [[]]
    [tried] = told["scenarios"]
    assert (tried["status"], tried["transcript"]) == ("passed", ["user: A poem on rain", "agent: rain falls"])
    assert tomllib.loads(told["scenarios_file"])["case"][0]["model"] == "real"
    assert (told["left_out"], told["notes"]) == ([], [])
    assert told["usage"]["prompt_tokens"] > 100
    kept = await nl.agent(name)
    assert (kept["id"], kept["status"]) == (told["agent"]["id"], "draft")
    assert (await nl.stored(told["id"])).json() == told
    first, trial = nl.model.completions
    assert first.body["response_format"]["json_schema"]["strict"] is True  # pyright: ignore
    assert json.loads(first.last_user_text)["description"] == "A poet who writes four lines"
    assert [row["content"] for row in trial.messages] == ["You write poems of four lines.", "A poem on rain"]


async def test_the_faults_of_a_draft_are_fed_back_and_what_was_repaired_is_told(nl: Nl):
    nl.model.script(draft(limits={"max_steps": 500}, colour="blue"), draft(limits={"max_steps": 70}), draft())
    told = await nl.drafted()
    assert [faults_of(attempt) for attempt in told["attempts"]] == [
        [("limits.max_steps", "less_than_equal"), ("colour", "extra_forbidden")],
        [("limits.max_steps", "over_system_limit")],
        [],
    ]
    corrected = nl.model.completions[1].messages
    assert [row["role"] for row in corrected] == ["system", "user", "assistant", "user"]
    places = [fault["place"] for fault in json.loads(str(corrected[-1]["content"]))["faults"]]
    assert places == ["limits.max_steps", "colour"]


async def test_after_three_repairs_it_is_given_up_with_the_last_faults(nl: Nl):
    nl.model.answer_with(lambda _: draft(name="Not A Name"))
    problem = await nl.fails(422, "draft_not_valid")
    assert [fault["loc"] for fault in problem["errors"]] == [["name"]]
    assert len(nl.model.completions) == 4
    kept = (await nl.stored(problem["draft_id"])).json()
    assert (kept["state"], kept["agent"], kept["fault"]["code"]) == ("failed", None, "draft_not_valid")
    assert len(kept["attempts"]) == 4


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        pytest.param("I would rather talk about the weather.", "draft_unreadable", id="prose"),
        pytest.param('{"agent": ["no"]}', "draft_unreadable", id="another shape"),
        pytest.param("[" * 5000, "draft_unreadable", id="nesting without end"),
        pytest.param(Reply('{"agent": {', finish_reason="length"), "draft_cut", id="cut off by its length"),
        pytest.param('{"agent": {"name": "a\\ud800"}}', "missing", id="what nothing can store"),
    ],
)
async def test_an_answer_that_is_no_draft_is_a_fault_like_any_other(nl: Nl, answer: Any, code: str):
    nl.model.script(answer, draft())
    told = await nl.drafted()
    assert code in [fault for _, fault in faults_of(told["attempts"][0])]
    assert told["attempts"][1]["faults"] == []


async def test_a_draft_between_words_is_found(nl: Nl):
    said = json.loads(draft())
    nl.model.script(f"Here it is:\n```json\n{json.dumps(said['agent'])}\n```\nGood luck!")
    told = await nl.drafted()
    assert told["agent"]["name"] == said["agent"]["name"]
    assert told["notes"] == ["The model drafted no scenario: the agent was not tried."]


@pytest.mark.parametrize(
    ("answers", "status", "code"),
    [
        pytest.param([RawAnswer()], 502, "provider_garbage", id="garbage"),
        pytest.param([CutStream()], 502, "provider_cut", id="cut"),
        pytest.param([rate_limited(0.05)] * 3, 503, "provider_rate_limited", id="429"),
        pytest.param([StatusFault(500)] * 3, 502, "provider_error", id="500"),
        pytest.param([StatusFault(401)], 502, "provider_refused", id="401"),
        pytest.param([NeverAnswers()], 504, "provider_timeout", id="silence"),
    ],
)
async def test_what_the_provider_does_wrong_ends_it_and_is_kept(nl: Nl, answers: list[Any], status: int, code: str):
    nl.model.script(*answers)
    problem = await nl.fails(status, code)
    kept = (await nl.stored(problem["draft_id"])).json()
    assert (kept["state"], kept["fault"]["code"]) == ("failed", code)


async def test_the_echo_is_refused_with_the_sentence_that_it_takes_a_model(nl: Nl):
    problem = await nl.fails(409, "model_needed", llm={"provider": "echo"})
    assert "needs a language model" in problem["detail"]
    assert not nl.model.completions


async def test_publish_publishes_it_through_the_one_path(nl: Nl):
    nl.model.script(draft(SCENARIO), "rain")
    told = await nl.drafted(publish=True)
    assert (told["state"], told["agent"]["version"]) == ("published", 1)
    assert (await nl.agent(told["agent"]["name"]))["status"] == "published"


async def test_a_draft_whose_scenario_fails_stays_a_draft(nl: Nl):
    nl.model.script(draft(SCENARIO, {"name": "x", "turn": [{"user": "?", "expect": {"matches": "(a+)+$"}}]}), "prose")
    told = await nl.drafted(publish=True)
    assert (told["state"], told["scenarios"][0]["status"]) == ("drafted", "failed")
    assert [line.split(":")[1] for line in told["scenarios"][0]["failures"]] == [" contains", " lacks"]
    assert told["notes"] == ["It is not published: the scenario 'a poem' failed."]


async def test_a_trial_that_the_provider_fails_is_a_failed_scenario(nl: Nl):
    nl.model.script(draft(SCENARIO, {"turn": 7}), StatusFault(401))
    told = await nl.drafted()
    assert "it failed with provider_refused" in told["scenarios"][0]["failures"][0]
    assert told["notes"] == ["Scenario 2 of the draft can't be read: it was dropped."]


async def test_the_name_and_the_model_that_were_asked_for_are_taken(nl: Nl):
    name = f"mine-{nl.owner[-10:]}"
    nl.model.script(draft(llm={"temperature": 0.5}))
    told = await nl.drafted(name=name, llm={"model": "another-model", "max_tokens": 77})
    assert (await nl.agent(name))["draft"]["llm"] == {
        "provider": None, "model": "another-model", "temperature": 0.5, "max_tokens": 77, "credential_ref": None,
        "fallbacks": [], "cache_s": None,
    }  # fmt: skip
    assert told["agent"]["name"] == name
    [asked] = nl.model.completions
    assert (asked.model, asked.body["max_tokens"]) == ("another-model", 8192)
    await nl.fails(409, "name_taken", name=name)
    assert len(nl.model.completions) == 1


async def test_a_name_of_the_models_that_the_owner_has_is_changed_and_told(nl: Nl):
    nl.model.answer_with(lambda _: draft(SCENARIO, name="helper"))
    assert (await nl.drafted())["agent"]["name"] == "helper"
    told = await nl.drafted()
    assert tomllib.loads(told["scenarios_file"])["agent"] == "helper-2.toml"
    assert told["agent"]["name"] == "helper-2"
    assert tomllib.loads(told["definition"])["name"] == "helper-2"
    assert "It is named helper-2: you have an agent named helper already." in told["notes"]
