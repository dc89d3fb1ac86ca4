"""A body that is wrong as a whole is told as that: no body, no JSON, JSON that nothing says is JSON."""

from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from pydantic import BaseModel

from kgents_shared.errors.handlers import install_error_handlers

JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


class _Said(BaseModel):
    text: str


async def fault_of(content: str, headers: dict[str, str]) -> dict[str, Any]:
    app = FastAPI()
    install_error_handlers(app)

    @app.post("/say")
    async def say(said: _Said) -> str:
        return said.text

    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        answer = await client.post("/say", content=content, headers=headers)
    assert answer.status_code == 422
    [fault] = answer.json()["errors"]
    assert fault["loc"] == ["body"]
    return fault


@pytest.mark.parametrize(
    ("content", "line", "column"), [("{", 1, 2), ('{\n  "text": "a",\n  text}', 3, 3), ('{"text": "a"} x', 1, 15)]
)
async def test_a_syntax_error_of_json_names_line_and_column(content: str, line: int, column: int) -> None:
    fault = await fault_of(content, JSON)
    assert (fault["code"], fault["line"], fault["column"]) == ("json_invalid", line, column)
    assert f"line {line}, column {column}" in fault["msg"]


async def test_json_without_its_content_type_asks_for_the_header() -> None:
    fault = await fault_of('{"text": "a"}', FORM)
    assert fault["code"] == "not_json"
    assert "content-type: application/json" in fault["hint"]


async def test_no_body_asks_for_one() -> None:
    fault = await fault_of("", JSON)
    assert (fault["code"], fault["msg"]) == ("missing", "a body is required")


async def test_a_body_that_is_no_object_is_told_by_its_type() -> None:
    fault = await fault_of("[]", JSON)
    assert fault["code"] == "model_attributes_type"
