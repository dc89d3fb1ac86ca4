"""What a stranger's words can do to whoever reads the log: nothing."""

import logging
from collections.abc import Generator

import httpx
import pytest
import structlog

from kgents_shared.telemetry.logs import configure_logging

STEERING = "/api/\x1b]0;owned\x07\x1b[2J\x9b31m"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Generator[None]:
    root = logging.getLogger()
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
async def test_no_address_that_is_asked_for_is_in_the_log(level: str, capsys: pytest.CaptureFixture[str]):
    configure_logging(as_json=True, level=level)
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as client:
        await client.get("http://far.example/users?filter=ada@example.org")
    assert "ada" not in capsys.readouterr().err


@pytest.mark.parametrize("as_json", [True, False])
def test_no_word_in_a_log_steers_the_terminal(as_json: bool, capsys: pytest.CaptureFixture[str]):
    configure_logging(as_json=as_json)
    structlog.get_logger("here").warning("told", path=STEERING)
    structlog.get_logger("here").warning(STEERING)
    logging.getLogger("elsewhere").warning("they said %s", STEERING)
    told = capsys.readouterr().err
    assert told.count("owned") == 3
    assert all(char.isprintable() or char == "\n" for char in told)
