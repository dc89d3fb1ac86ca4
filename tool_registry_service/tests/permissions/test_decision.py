"""Which rules let a call pass."""

import pytest

from tool_registry_service.permissions.decision import Asked, LevelRules, OwnerRules, denial, denied_to_all

CAPABILITIES = {"clock": ("time.*", "calendar.now")}


def rules(**levels: LevelRules) -> OwnerRules:
    nothing = LevelRules()
    agents = {"helper": levels["agent"]} if "agent" in levels else {}
    system, owner = levels.get("system", nothing), levels.get("owner", nothing)
    return OwnerRules(system=system, owner=owner, agents=agents, capabilities=CAPABILITIES)


def asked(tool: str = "time.now", agent: str | None = "helper", **patterns: list[str]) -> Asked:
    return Asked(tool, agent, patterns.get("allow", ["*"]), patterns.get("deny", []))


@pytest.mark.parametrize(
    ("of", "level", "pattern", "says"),
    [
        ({"system": LevelRules(deny=("time.*",))}, "system", "time.*", "deny 'time.*' --remove --system`"),
        ({"system": LevelRules(allow=("mail.*",))}, "system", None, "kgents tools allow time.now --system`"),
        ({"owner": LevelRules(deny=("*.now",))}, "owner", "*.now", "deny '*.now' --remove`"),
        ({"owner": LevelRules(allow=("mail.*",))}, "owner", None, "kgents tools allow time.now`"),
        ({"agent": LevelRules(deny=("*",))}, "agent", "*", "--agent helper`"),
        ({"agent": LevelRules(allow=("mail.*",))}, "agent", None, "--agent helper`"),
        ({"owner": LevelRules(allow=("*",), deny=("time.now",))}, "owner", "time.now", "denies time.now"),
        ({"owner": LevelRules(deny=("capability:clock",))}, "owner", "capability:clock", "denies capability:clock"),
        ({"owner": LevelRules(deny=("capability:nope",))}, "owner", "capability:nope", "denies capability:nope"),
        ({"owner": LevelRules(allow=("capability:nope",))}, "owner", None, "allowlist"),
    ],
)
def test_a_denial_says_which_level_which_rule_and_what_to_do(
    of: dict[str, LevelRules], level: str, pattern: str | None, says: str
) -> None:
    found = denial(asked(), rules(**of), [])
    assert found is not None
    assert (found.level, found.pattern) == (level, pattern)
    assert says in found.sentence
    assert found.as_json() == {"level": level, "effect": "deny" if pattern else "allow", "pattern": pattern}


@pytest.mark.parametrize(
    "of",
    [
        {},
        {"system": LevelRules(allow=("time.*",)), "owner": LevelRules(allow=("*",)), "agent": LevelRules(allow=("*",))},
        {"owner": LevelRules(allow=("capability:clock",), deny=("mail.*",))},
        {"owner": LevelRules(deny=("time.nowhere",))},
    ],
)
def test_what_every_level_lets_pass_is_called(of: dict[str, LevelRules]) -> None:
    assert denial(asked(), rules(**of), []) is None


@pytest.mark.parametrize(
    ("system", "allowed"),
    [
        (LevelRules(allow=("capability:safe",)), {"time.now"}),
        (LevelRules(deny=("capability:safe",)), {"shell.run"}),
        (LevelRules(allow=("capability:mine",)), set[str]()),
        (LevelRules(deny=("capability:mine",)), set[str]()),
    ],
)
def test_the_platforms_rules_mean_what_the_platform_says(system: LevelRules, allowed: set[str]) -> None:
    of = OwnerRules(
        system=system,
        capabilities={"safe": ("*",), "mine": ("*",)},
        platform_capabilities={"safe": ("time.*",)},
    )
    assert {tool for tool in ("time.now", "shell.run") if denial(asked(tool), of, []) is None} == allowed


def test_rules_for_one_agent_hold_for_no_other_and_for_no_call_without_one() -> None:
    of = rules(agent=LevelRules(deny=("*",)))
    assert denial(asked(agent="other"), of, []) is None
    assert denial(asked(agent=None), of, []) is None


def test_an_agents_definition_names_capabilities_too() -> None:
    assert denial(asked(allow=["capability:clock"]), rules(), []) is None
    found = denial(asked("mail.send", allow=["capability:clock"]), rules(), [])
    assert found is not None
    assert found.level == "definition"
    denied = denial(asked(deny=["capability:clock"]), rules(), [])
    assert denied is not None
    assert "its [tools] deny has capability:clock" in denied.sentence


def test_the_operator_goes_first() -> None:
    found = denial(asked(), rules(system=LevelRules(deny=("*",))), ["time.now"])
    assert found is not None
    assert (found.level, found.pattern) == ("operator", "time.now")
    assert denied_to_all("time.now", rules(), ["time.*"])
    assert denied_to_all("time.now", rules(owner=LevelRules(deny=("time.*",))), [])
    assert not denied_to_all("time.now", rules(agent=LevelRules(deny=("time.*",))), [])
