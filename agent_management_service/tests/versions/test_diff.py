"""What differs between two definitions, as it is found and as the API tells it."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_management_service.versions.diff import changes_between

MakeAgent = Callable[..., Awaitable[dict[str, Any]]]
Json = dict[str, Any]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("a", "changed", 1, 2, [])]),
        ({"a": None}, {"a": 2}, [("a", "added", None, 2, [])]),
        ({"a": 1}, {"a": None}, [("a", "removed", 1, None, [])]),
        ({"a": 1}, {"b": 1}, [("a", "removed", 1, None, []), ("b", "added", None, 1, [])]),
        ({"a": 1}, {"a": True}, [("a", "changed", 1, True, [])]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [("a.c", "changed", 2, 3, [])]),
        ({}, {"a": {"b": 1}}, [("a.b", "added", None, 1, [])]),
        ({"a": ["x"]}, {"a": ["x", "y"]}, [("a", "changed", ["x"], ["x", "y"], ["+y"])]),
        ({"a": []}, {"a": ["x"]}, [("a", "changed", [], ["x"], ["+x"])]),
        ({"a": ["x", "y"]}, {"a": ["y", "x"]}, [("a", "changed", ["x", "y"], ["y", "x"], ["+y", "-y"])]),
        ({"a": [{"b": 1}]}, {"a": []}, [("a", "changed", [{"b": 1}], [], ['-{"b": 1}'])]),
        (
            {"a": "one\ntwo\nthree"},
            {"a": "one\n2\nthree"},
            [("a", "changed", "one\ntwo\nthree", "one\n2\nthree", ["@@ -1,3 +1,3 @@", " one", "-two", "+2", " three"])],
        ),
    ],
)
def test_each_field_that_differs_is_told_with_both_values(before: Json, after: Json, expected: list[Any]) -> None:
    found = changes_between(before, after)
    assert [(".".join(one.loc), one.kind, one.before, one.after, one.lines) for one in found] == expected


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=3), max_size=4)
LEAVES = dict.fromkeys("xyz", VALUES)
DEFINITIONS = st.fixed_dictionaries(LEAVES | {"table": st.fixed_dictionaries(LEAVES)})


@given(before=DEFINITIONS, after=DEFINITIONS)
def test_what_is_told_is_all_that_turns_the_one_into_the_other(before: Json, after: Json) -> None:
    for change in changes_between(before, after):
        *tables, key = change.loc
        table = before[tables[0]] if tables else before
        assert table[key] == change.before
        table[key] = change.after
    assert before == after


def test_a_text_of_very_many_lines_is_told_whole_rather_than_searched_for_the_least_difference() -> None:
    old, new = ("\n".join(f"{word} {number}" for number in range(5000)) for word in ("old", "new"))
    (change,) = changes_between({"a": f"same\n{old}"}, {"a": f"same\n{new}"})
    assert change.lines[:2] == ["@@ -2,5000 +2,5000 @@", "-old 0"]
    assert len(change.lines) == 10_001


async def publish(caller: httpx.AsyncClient, name: str, **fields: Any) -> None:
    definition = {"name": name, "system_prompt": "Be brief.", **fields}
    assert (await caller.put(f"/api/v1/agents/{name}", json=definition)).status_code == 200
    assert (await caller.post(f"/api/v1/agents/{name}/publish")).status_code == 200


async def difference(caller: httpx.AsyncClient, name: str, **query: int) -> Json:
    answer = await caller.get(f"/api/v1/agents/{name}/diff", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_draft_is_compared_with_the_version_in_force_unless_others_are_named(
    caller: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    await make_agent("compared", publish=True)
    await publish(caller, "compared", limits={"max_steps": 3})
    await publish(caller, "compared", limits={"max_steps": 4}, tools={"allow": ["time.*"]})
    same = await difference(caller, "compared")
    assert same == {"from_version": 3, "to_version": None, "changes": []}
    await caller.post("/api/v1/agents/compared/rollback", json={"version": 2})
    since = await difference(caller, "compared")
    assert (since["from_version"], since["to_version"]) == (2, None)
    assert since["changes"] == [
        {"loc": ["tools", "allow"], "kind": "changed", "before": [], "after": ["time.*"], "lines": ["+time.*"]},
        {"loc": ["limits", "max_steps"], "kind": "changed", "before": 3, "after": 4, "lines": []},
    ]
    back = await difference(caller, "compared", **{"from": 3, "to": 1})
    assert [change["loc"][-1] for change in back["changes"]] == ["system_prompt", "allow", "max_steps"]


async def test_only_what_exists_is_compared(caller: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    await make_agent("mere")
    unpublished = await caller.get("/api/v1/agents/mere/diff")
    assert (unpublished.status_code, unpublished.json()["code"]) == (409, "not_published")
    await make_agent("once", publish=True)
    for query, status in (({"from": 2}, 404), ({"to": 2}, 404), ({"from": 0}, 422), ({"to": "draft"}, 422)):
        assert (await caller.get("/api/v1/agents/once/diff", params=query)).status_code == status
