import asyncio
from typing import NoReturn

import pytest

from platform_host import health_board
from platform_host.health_board import HealthBoard


async def well() -> bool:
    return True


async def away() -> bool:
    return False


async def broken() -> NoReturn:
    raise OSError("no route")


async def hanging() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError


async def test_all_is_well_only_when_ready_and_every_part_answers() -> None:
    board = HealthBoard("1.2.3")
    board.watch_server("postgres", lambda: "ready")
    board.watch_service("auth", {"database": well})
    assert (board.healthy, board.document()["status"]) == (False, "starting")
    assert board.document()["parts"]["auth"] == {"status": "starting", "parts": {}}
    await board.probe()
    board.phase = "ready"
    assert board.healthy
    document = board.document()
    assert (document["status"], document["version"]) == ("ok", "1.2.3")
    assert document["parts"] == {
        "postgres": {"status": "ok"},
        "auth": {"status": "ok", "parts": {"database": True}},
    }
    board.phase = "stopping"
    assert (board.healthy, board.document()["status"]) == (False, "stopping")


async def test_one_part_that_is_away_fails_or_hangs_is_named_and_hides_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health_board, "_PATIENCE_S", 0.01)
    board = HealthBoard("1")
    board.phase = "ready"
    board.watch_service("auth", {"database": well})
    board.watch_service("tools", {"database": away, "nats": broken, "servers": hanging, "other": well})
    await board.probe()
    parts = board.document()["parts"]
    assert not board.healthy
    assert board.document()["status"] == "degraded"
    assert parts["auth"]["status"] == "ok"
    assert parts["tools"] == {
        "status": "degraded",
        "parts": {"database": False, "nats": False, "servers": False, "other": True},
    }


async def test_a_server_that_is_down_shows_at_once_without_a_round() -> None:
    states = ["ready"]
    board = HealthBoard("1")
    board.phase = "ready"
    board.watch_server("nats", lambda: states[-1])
    assert board.healthy
    states.append("down")
    assert not board.healthy
    assert board.document()["parts"]["nats"] == {"status": "down"}
