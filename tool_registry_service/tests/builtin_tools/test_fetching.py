"""`http.fetch`: pages as text, and what isn't fetched."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.external.running_registry import JsonObject, RunningRegistry, running_registry
from tests.external.scripted_api import ScriptedApi
from tool_registry_service.builtin_tools.readable import MOST_TAGS, readable

PAGE = """<html><head><title> On
 herons </title><script>steal()</script></head><body><nav><a href="/a">Home</a></nav>
<article><h1>Herons</h1><p>Herons stand still for a long time, and nobody knows what they think of it.</p>
<p>See <a href="https://birds.example/more">more about them</a>.</p></article><footer>Imprint</footer></body></html>"""


@pytest.fixture(scope="module")
async def fetching(database_url: str) -> AsyncGenerator[RunningRegistry]:
    """A registry for all tests here: builtin tools are everybody's."""
    async with running_registry(database_url, call_timeout_s=5, max_answer_bytes=200_000) as registry:
        yield registry


async def fetched(registry: RunningRegistry, url: str, **arguments: Any) -> JsonObject:
    return await registry.invoke("http.fetch", {"url": url} | arguments, allow=["http.fetch"])


async def test_a_page_is_read_as_its_main_text(fetching: RunningRegistry, api: ScriptedApi) -> None:
    api.answer("/herons", PAGE.encode(), content_type="text/html; charset=utf-8")
    api.redirect("/old", "/herons")
    result = await fetched(fetching, f"{api.url}/old#part")
    assert not result["is_error"]
    assert result["content"].startswith(f"# On herons\n{api.url}/herons\n\n")
    assert "Herons stand still" in result["content"]
    assert "(https://birds.example/more)" in result["content"]
    assert "steal" not in result["content"]
    assert [request.headers.get("cookie") for request in api.requests] == [None, None]
    raw = await fetched(fetching, f"{api.url}/herons", raw=True)
    assert "<nav>" in raw["content"]


async def test_other_texts_are_shown_as_they_are_and_the_rest_is_named(
    fetching: RunningRegistry, api: ScriptedApi
) -> None:
    api.answer("/data", {"a": 1})
    api.answer("/picture", b"\x89PNG", content_type="image/png")
    api.answer("/gone", b"no", 410)
    assert (await fetched(fetching, f"{api.url}/data"))["content"].endswith('\n\n{"a": 1}')
    assert (await fetched(fetching, f"{api.url}/picture"))["content"].endswith("[image/png, 4 bytes: not shown]")
    gone = await fetched(fetching, f"{api.url}/gone")
    assert (gone["is_error"], gone["content"]) == (True, "HTTP 410 Gone\nno")


async def test_a_long_text_is_read_in_parts(fetching: RunningRegistry, api: ScriptedApi) -> None:
    api.answer("/long", b"".join(b"%05d " % number for number in range(2000)), content_type="text/plain")
    first = await fetched(fetching, f"{api.url}/long", max_chars=600)
    assert first["content"].endswith("[11400 characters more: fetch with start 600]")
    second = await fetched(fetching, f"{api.url}/long", max_chars=600, start=600)
    assert second["content"].partition("\n\n")[2].startswith("00100 ")
    assert await fetched(fetching, f"{api.url}/long", max_chars=600.0, start=600.0) == second


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://169.254.169.254/latest/meta-data/", "TOOLS_SSRF_ALLOWED_HOSTS"),
        ("http://localhost:1/", "TOOLS_SSRF_ALLOWED_HOSTS"),
        ("http://2130706433/", "TOOLS_SSRF_ALLOWED_HOSTS"),
        ("file:///etc/passwd", "must be an http or https URL"),
        ("https://user:pass@a.example/", "must not carry a user name"),
        ("http://127.0.0.1:1/", "can't be reached"),
        ("nonsense", "must be an http or https URL"),
    ],
)
async def test_what_is_not_fetched_is_told(fetching: RunningRegistry, url: str, words: str) -> None:
    result = await fetched(fetching, url)
    assert result["is_error"]
    assert words in result["content"]


async def test_a_redirect_into_the_private_network_is_not_followed(fetching: RunningRegistry, api: ScriptedApi) -> None:
    api.redirect("/out", "http://localhost:1/secret")
    result = await fetched(fetching, f"{api.url}/out")
    assert result["is_error"]
    assert "redirects to where nothing can be reached" in result["content"]


async def test_a_flood_is_not_read(fetching: RunningRegistry, api: ScriptedApi) -> None:
    api.answer("/flood", b"x" * 300_000, content_type="text/html")
    assert "over 200000 bytes" in (await fetched(fetching, f"{api.url}/flood"))["content"]


@pytest.mark.parametrize(
    "html",
    [b"", b"\x00\xff\xfe", b"<" * 50_000, b"<div>" * 50_000, b"<!--" * 20_000, b"<p " + b"a=b " * 20_000,
     b"&amp;" * 50_000,
     b"<table><tr><td>" * 5_000, b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><html>&b;</html>"],
    ids=["nothing", "bytes", "brackets", "deep", "comments", "attributes", "entities", "tables", "dtd"],
)  # fmt: skip
def test_any_page_is_read_without_a_fault(html: bytes) -> None:
    for charset in (None, "utf-8", "hex", "nonsense"):
        assert isinstance(readable(html, charset, "https://a.example/").text, str)


def test_of_a_page_with_endless_tags_a_part_is_read() -> None:
    html = b"<html><body><article>" + b"<h2>%s</h2>" % b"heron" * 60_000
    text = readable(html, "utf-8", "https://a.example/").text
    assert text.count("heron") == (MOST_TAGS - 2) // 2  # beside the three around them
