"""Arguments in requests: where they go, and where they can't lead."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tool_registry_service.errors import ArgumentRefused
from tool_registry_service.http_tools.sending import Outgoing, Sending, origin_of, outgoing
from tool_registry_service.http_tools.templates import BadTemplate, names_in

HOME = "https://api.example.com/v1"


def sent(arguments: dict[str, Any] | None = None, **sending: Any) -> Outgoing:
    return outgoing(Sending.model_validate({"method": "GET", "url": HOME} | sending), arguments or {})


@pytest.mark.parametrize(
    ("value", "segment"),
    [("Zürich", "Z%C3%BCrich"), ("a/b", "a%2Fb"), ("a?b#c", "a%3Fb%23c"), (7, "7"), (7.0, "7"),
     (1e300, "1e%2B300"), (True, "true"),
     (["a", "b,c"], "a%2Cb%2Cc"),
     ("a\\..\\b", "a%5C..%5Cb"), ("@evil.example", "%40evil.example"), ("...", "...")],
)  # fmt: skip
def test_an_argument_in_the_address_stays_one_segment(value: Any, segment: str) -> None:
    assert sent({"city": value}, url=f"{HOME}/{{city}}/now").full_url == f"{HOME}/{segment}/now"


@pytest.mark.parametrize("value", ["..", ".", "", None, "\ud800"])
def test_an_argument_that_would_lead_elsewhere_is_refused(value: Any) -> None:
    with pytest.raises(ArgumentRefused):
        sent({"city": value}, url=f"{HOME}/{{city}}/now")
    with pytest.raises(ArgumentRefused):
        sent({"city": value}, url=f"{HOME}/{{city}}")


def test_dots_of_an_argument_and_of_the_address_make_no_step_up_together() -> None:
    with pytest.raises(ArgumentRefused):
        sent({"city": "."}, url=f"{HOME}/.{{city}}/now")


@given(st.text())
def test_no_argument_changes_where_a_request_goes(value: str) -> None:
    try:
        url = sent({"city": value, "q": value}, url=f"{HOME}/{{city}}/now", query={"q": "{q}"}).full_url
    except ArgumentRefused:
        return
    assert origin_of(url) == ("https", "api.example.com", 443)
    path, _, query = url.partition("?")
    assert path.startswith(f"{HOME}/")
    assert path.endswith("/now")
    assert path.count("/") == HOME.count("/") + 2
    assert query.startswith("q=")
    assert not {"#", "&", "?", " ", "\n"} & set(query)


@pytest.mark.parametrize(
    ("style", "value", "query"),
    [
        ("repeat", ["a", 1], "q=a&q=1"), ("comma", ["a", 1], "q=a%2C1"), ("space", ["a", "b"], "q=a%20b"),
        ("pipe", ["a", "b"], "q=a%7Cb"), ("deep", {"a": 1, "b": [2]}, "q%5Ba%5D=1&q%5Bb%5D=%5B2%5D"),
        ("fields", {"a": 1, "b": "x"}, "a=1&b=x"), ("comma", {"a": 1}, "q=a%2C1"),
        ("json", {"a": None}, "q=%7B%22a%22%3Anull%7D"),
        ("repeat", False, "q=false"), ("repeat", None, ""), ("repeat", "a&b=c", "q=a%26b%3Dc"),
    ],
)  # fmt: skip
def test_lists_and_objects_stand_in_the_query_as_the_style_says(style: Any, value: Any, query: str) -> None:
    url = sent({"q": value}, query={"q": "{q}"}, styles={"q": style}).full_url
    assert url == (f"{HOME}?{query}" if query else HOME)


def test_what_is_not_given_takes_its_entry_with_it() -> None:
    body = {"to": "{to}", "cc": "{cc}", "text": "Dear {to}, {{sic}}", "more": [{"cc": "{cc}", "n": 1}, "{cc}"]}
    request = sent({"to": "Ada"}, method="POST", query={"a": "{cc}", "b": "1"}, headers={"X-Cc": "{cc}"}, body=body)
    assert request.full_url == f"{HOME}?b=1"
    assert request.headers == {"content-type": "application/json"}
    assert request.content == b'{"to":"Ada","text":"Dear Ada, {sic}","more":[{"n":1}]}'


def test_an_argument_by_itself_keeps_its_type() -> None:
    request = sent(
        {"n": 7, "list": [1, None]}, method="POST", body={"n": "{n}", "list": "{list}", "text": "{n} of {list}"}
    )
    assert request.content == b'{"n":7,"list":[1,null],"text":"7 of [1,null]"}'


@pytest.mark.parametrize("value", [float("nan"), [float("inf")]])
def test_a_number_that_is_none_is_not_sent(value: Any) -> None:
    with pytest.raises(ArgumentRefused):
        sent({"n": value}, method="POST", body={"n": "{n}"})


@pytest.mark.parametrize("value", ["a\r\nX-Admin: 1", "a\nb", "a\x00b", "Ω"])
def test_a_header_stays_one_line(value: str) -> None:
    with pytest.raises(ArgumentRefused):
        sent({"h": value}, headers={"X-H": "{h}"})


@pytest.mark.parametrize(("kind", "content"), [("form", b"a=1&b=x+y&b=z"), ("text", b'{"a":1,"b":["x y","z"]}')])
def test_bodies_have_their_form(kind: Any, content: bytes) -> None:
    value = {"a": 1, "b": ["x y", "z"]}
    assert sent({"body": value}, method="POST", body="{body}", body_type=kind).content == content


def test_a_field_of_a_form_cannot_begin_another_part() -> None:
    request = sent({"body": {'a"\r\nb': "1"}}, method="POST", body="{body}", body_type="multipart")
    boundary = request.headers["content-type"].partition("boundary=")[2]
    assert request.content == (
        f'--{boundary}\r\ncontent-disposition: form-data; name="a%22%0D%0Ab"\r\n\r\n1\r\n--{boundary}--\r\n'.encode()
    )
    with pytest.raises(ArgumentRefused):
        sent({"body": "text"}, method="POST", body="{body}", body_type="multipart")


@pytest.mark.parametrize("text", ["{a", "a}", "{}", "{{a}", "{a{b}}"])
def test_braces_that_make_no_placeholder_are_no_template(text: str) -> None:
    with pytest.raises(BadTemplate):
        names_in({"x": [text]})
