"""Keyset pages: they join up, and a cursor that we didn't make is told."""

import base64

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from hypothesis import given
from hypothesis import strategies as st

from kgents_shared.db import Page, PageQuery, PageRequest, make_page
from kgents_shared.db.pages import decode_cursor, encode_cursor
from kgents_shared.errors import InvalidInput
from kgents_shared.errors.handlers import install_error_handlers


def walk(rows: list[int], limit: int) -> list[int]:
    seen: list[int] = []
    after = None
    while True:
        fetched = [row for row in rows if after is None or row > int(after[0])][: limit + 1]
        page = make_page(fetched, PageRequest(limit, after), item=lambda row: row, key=lambda row: (str(row),))
        assert len(page.items) <= limit
        seen += page.items
        if page.next_cursor is None:
            return seen
        after = decode_cursor(page.next_cursor)


@given(st.sets(st.integers(0, 1000), max_size=30).map(sorted), st.integers(1, 10))
def test_pages_join_up_whatever_their_size(rows: list[int], limit: int) -> None:
    assert walk(rows, limit) == rows


@given(st.lists(st.text(st.characters(exclude_categories=())), max_size=4).map(tuple))
def test_a_cursor_comes_back_as_it_was_and_fits_into_an_address(values: tuple[str, ...]) -> None:
    cursor = encode_cursor(values)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert decode_cursor(cursor) == values


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_a_foreign_cursor_is_invalid_input_or_text_values_and_nothing_else(text: str) -> None:
    try:
        values = decode_cursor(text)
    except InvalidInput:
        return
    assert all(isinstance(value, str) for value in values)


@pytest.mark.parametrize("values", [b"[1]", b'{"a": 1}', b'"a"', b"[[]]", b"[" * 700, b"\xff"])
def test_a_cursor_of_anything_but_texts_is_refused(values: bytes) -> None:
    with pytest.raises(InvalidInput):
        decode_cursor(base64.urlsafe_b64encode(values).decode())


@pytest.fixture
async def client() -> AsyncClient:
    app = FastAPI()
    install_error_handlers(app)

    @app.get("/things")
    async def things(page: PageQuery) -> Page[str]:
        return Page(items=[str(page.limit), *(page.after or ())])

    return AsyncClient(transport=ASGITransport(app), base_url="http://test")


async def test_limit_and_cursor_come_from_the_query(client: AsyncClient) -> None:
    assert (await client.get("/things")).json() == {"items": ["50"], "next_cursor": None}
    query = {"limit": "1000", "cursor": encode_cursor(("a", "b"))}
    assert (await client.get("/things", params=query)).json()["items"] == ["1000", "a", "b"]


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "1001"}, {"limit": "all"}, {"cursor": "?"}])
async def test_a_bad_page_request_is_a_problem_document(client: AsyncClient, query: dict[str, str]) -> None:
    answer = await client.get("/things", params=query)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", next(iter(query))]
