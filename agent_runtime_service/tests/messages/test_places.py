"""One person can't take the platform from everybody else."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from agent_runtime_service.errors import TooManyOfConversation, TooManyOfOwner
from agent_runtime_service.messages.places import MOST_OF_CONVERSATION, Places
from kgents_shared.testing.model_server import ModelRequest, ModelServer, Reply
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import Gate


def test_what_one_person_has_under_way_is_no_matter_of_anothers():
    places, conversation = Places(3, 2), uuid4()
    back = [places.take("ada", conversation), places.take("ada", conversation)]
    with pytest.raises(TooManyOfConversation):
        places.take("ada", conversation)
    places.take("bob", conversation)
    back.append(places.take("ada", None))
    with pytest.raises(TooManyOfOwner):
        places.take("ada", uuid4())
    for give_back in back:
        give_back()
    for _ in range(2):
        places.take("ada", conversation)


async def test_the_line_of_a_conversation_has_an_end_and_moves_on(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    first = await runtime.say("start")
    gate = Gate()

    async def held(request: ModelRequest) -> Reply:
        await gate.hold()
        return Reply(text="done")

    model.script(held)

    async def send() -> httpx.Response:
        return await runtime.send("again", first["conversation_id"])

    head = asyncio.create_task(send())
    await gate.wait_reached()
    rest = [asyncio.create_task(send()) for _ in range(MOST_OF_CONVERSATION + 8)]
    done, _ = await asyncio.wait(rest, return_when=asyncio.FIRST_COMPLETED)
    assert {task.result().status_code for task in done} == {429}
    elsewhere = await runtime.say("another conversation")
    assert elsewhere["status"] == "completed"
    gate.open()
    answers = [await task for task in (head, *rest)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) == 9
    assert {answer.json()["code"] for answer in refused} == {"conversation_busy"}
    assert all(answer.headers["retry-after"] for answer in refused)
    assert (await send()).status_code == 200
