"""From the question to the deed: who is asked, who decides, what is told."""

from tests.external.running_governance import Governance


async def test_a_person_reads_the_exact_payload_approves_it_and_it_is_carried_out_once(governance: Governance):
    ada = governance.person()
    asked = await governance.asks(ada.subject)
    assert asked.answer["status"] == "pending"
    seen = await ada.sees(asked)
    assert (seen["payload"], seen["action"]) == ({"to": "ada@example.org", "text": "Hello"}, "tool:mail.send")
    assert (seen["requested_by"], seen["decided_by"]) == (ada.subject, None)
    decided = await ada.decides(asked, note="Go ahead")
    assert (decided.status_code, decided.json()["status"], decided.json()["note"]) == (200, "approved", "Go ahead")
    assert (await asked.state())["note"] == "Go ahead"
    consumed = await asked.consumed()
    assert (consumed.status_code, consumed.json()["status"]) == (200, "consumed")
    again = await asked.consumed()
    assert (again.status_code, again.json()["code"]) == (409, "approval_consumed")
    assert await asked.history() == [("asked", "tools"), ("approved", ada.subject), ("consumed", "tools")]
    (event,) = await asked.events()
    assert (event["type"], event["data"]["status"]) == ("approval.decided", "approved")
    assert event["data"]["run_id"] == asked.question["run_id"]
