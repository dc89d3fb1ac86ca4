"""Patterns that no tool answers to, and tools that can't be called, are warned of."""

from __future__ import annotations

import pytest

from agent_management_service.validation.tools import tool_warnings
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.tools import KnownTool
from kgents_shared.errors.catalogue import known_codes

KNOWN = (
    KnownTool(name="files.read", state="active"),
    KnownTool(name="files.write", state="changed"),
    KnownTool(name="old.thing", state="removed"),
    KnownTool(name="shell.run", state="denied"),
)


@pytest.mark.parametrize(
    ("allow", "deny", "told"),
    [
        (["files.read"], [], []),
        (["files.*"], ["files.write"], []),
        (["files.raed"], [], [("allow", "tool_not_registered", 'did you mean "files.read"?')]),
        (["mail.send"], [], [("allow", "tool_not_registered", "register its server")]),
        (["fils.*"], [], [("allow", "tool_pattern_unmatched", 'did you mean "files.*"?')]),
        (["files.x*"], [], [("allow", "tool_pattern_unmatched", "register its server")]),
        (["files.write"], [], [("allow", "tool_switched_off", "GET /tools/files.write")]),
        (["old.*"], [], [("allow", "tool_switched_off", "bring it back")]),
        (["shell.run"], [], [("allow", "tool_denied_here", "ask the operator")]),
        (["files.read"], ["shell.rnu"], [("deny", "tool_not_registered", 'did you mean "shell.run"?')]),
        (["files.read"], ["shell.run", "old.thing"], []),
        (["capability:reading"], ["capability:shells"], []),
        (["capability:all"], [], [("allow", "allows_every_tool", "name the servers")]),
        (["capability:readin"], [], [("allow", "capability_unknown", 'did you mean "reading"?')]),
        (["capability:mail"], [], [("allow", "capability_unknown", "PUT /tools/capabilities/{name}")]),
        (["capability:shells"], [], [("allow", "tool_denied_here", "ask the operator")]),
    ],
)
def test_a_pattern_is_held_against_what_there_is(allow: list[str], deny: list[str], told: list[tuple[str, str, str]]):
    tools = {"allow": allow, "deny": deny}
    spec = AgentSpec.model_validate({"name": "good", "system_prompt": "x", "tools": tools})
    found = tool_warnings(spec, KNOWN, {"reading": ["files.read"], "shells": ["shell.*"], "all": ["*.*"]})
    assert [(fault.loc, fault.code) for fault in found] == [(("tools", name, 0), code) for name, code, _ in told]
    assert all(said in (fault.hint or "") for fault, (_, _, said) in zip(found, told, strict=True))
    assert {fault.code for fault in found} <= known_codes().keys()


def test_what_may_have_been_meant_is_looked_for_a_few_times_and_no_pattern_is_left_untold():
    allow = [f"files.raed{number}" for number in range(50)]
    spec = AgentSpec.model_validate({"name": "good", "system_prompt": "x", "tools": {"allow": allow}})
    found = tool_warnings(spec, KNOWN)
    assert [fault.loc[-1] for fault in found] == list(range(50))
    assert [fault.loc[-1] for fault in found if "did you mean" in (fault.hint or "")] == [0, 1, 2]
