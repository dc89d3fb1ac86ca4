"""What time it is, and where."""

import json
from typing import Any
from uuid import uuid4

import pytest

from kgents_shared.contracts.tools import InvokeToolRequest
from tool_registry_service.builtin_tools.clock import Clock


async def asked(**arguments: Any) -> tuple[bool, Any]:
    call = InvokeToolRequest(
        owner_id="o", principal="o", tool_call_id="c", idempotency_key=uuid4().hex, name="time", arguments=arguments,
        allow=["*"], deny=[],
    )  # fmt: skip
    answer = await Clock().call(call)
    return answer.is_error, answer.text if answer.is_error else json.loads(answer.text)


async def test_now_is_told_in_a_zone() -> None:
    utc, tokyo = (await asked())[1], (await asked(zone="Asia/Tokyo"))[1]
    assert utc["zone"] == "UTC"
    assert tokyo["time"].endswith("+09:00")
    assert abs(tokyo["unix"] - utc["unix"]) <= 5


@pytest.mark.parametrize(
    ("arguments", "time", "weekday"),
    [
        ({"at": "2026-05-04T14:30", "zone": "UTC", "at_zone": "Europe/Berlin"}, "2026-05-04T12:30:00+00:00", "Monday"),
        ({"at": "2026-05-04T14:30+02:00", "zone": "Asia/Tokyo"}, "2026-05-04T21:30:00+09:00", "Monday"),
        ({"at": "2026-12-31 23:59:59Z", "zone": "Pacific/Auckland"}, "2027-01-01T12:59:59+13:00", "Friday"),
        ({"at": "2026-05-04", "zone": "Asia/Kolkata", "at_zone": "UTC"}, "2026-05-04T05:30:00+05:30", "Monday"),
    ],
)
async def test_a_time_is_told_as_it_is_elsewhere(arguments: Any, time: str, weekday: str) -> None:
    told = (await asked(**arguments))[1]
    assert (told["time"], told["weekday"]) == (time, weekday)
    assert "note" not in told


async def test_a_time_of_day_is_one_of_today() -> None:
    told = (await asked(at="14:30", at_zone="Europe/Berlin", zone="Europe/Berlin"))[1]
    assert "T14:30:00+0" in told["time"]


@pytest.mark.parametrize(
    ("at", "note"), [("2026-03-29T02:30", "clocks skip this time there"), ("2026-10-25T02:30", "twice there")]
)
async def test_what_clocks_skip_or_show_twice_is_told(at: str, note: str) -> None:
    told = (await asked(at=at, at_zone="Europe/Berlin"))[1]
    assert note in told["note"]


@pytest.mark.parametrize("zone", ["Europe/Berlln", "../../etc/passwd", "America", "", "/etc/localtime", "\x00", "Ω"])
async def test_a_zone_that_is_none_is_told(zone: str) -> None:
    is_error, text = await asked(zone=zone)
    assert is_error
    assert "There is no time zone" in text
    assert ("Europe/Berlin" in text) == (zone == "Europe/Berlln")


@pytest.mark.parametrize("at", ["tomorrow", "25:00", "2026-13-01", "9999-12-31T23:59", "", "14:30:99"])
async def test_a_time_that_cannot_be_read_is_told(at: str) -> None:
    is_error, text = await asked(at=at, zone="Asia/Tokyo", at_zone="Pacific/Honolulu")
    assert is_error
    assert "can't be read" in text
