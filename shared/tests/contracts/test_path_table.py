"""The path table: every path that the documents name leads to the service that owns it."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgents_shared.contracts.path_table import RESERVED_AGENT_NAMES, load_path_table, parses_as_uuid

TABLE = load_path_table()


@pytest.mark.parametrize(
    ("path", "service", "canonical"),
    [
        ("/api/v1/agents", "management", "/api/v1/agents"),
        ("/api/v1/agents/my-agent", "management", "/api/v1/agents/my-agent"),
        ("/api/v1/agents/my-agent/versions/3", "management", "/api/v1/agents/my-agent/versions/3"),
        ("/api/v1/agents/my-agent/message", "runtime", "/api/v1/agents/my-agent/message"),
        ("/agents/my-agent/message", "runtime", "/api/v1/agents/my-agent/message"),
        ("/api/agents/my-agent/message", "runtime", "/api/v1/agents/my-agent/message"),
        ("/agents/my-agent/deployments", "deployment", "/api/v1/agents/my-agent/deployments"),
        ("/agents/my-agent/logs", "deployment", "/api/v1/agents/my-agent/logs"),
        ("/agents/message", "management", "/api/v1/agents/message"),
        ("/auth/login", "auth", "/api/v1/auth/login"),
        ("/users/me", "auth", "/api/v1/users/me"),
        ("/tools", "tools", "/api/v1/tools"),
        ("/api/mcp-servers/x/refresh", "tools", "/api/v1/mcp-servers/x/refresh"),
        ("/.well-known/jwks.json", "auth", "/.well-known/jwks.json"),
        ("/api/v1/runs/1/events", "runtime", "/api/v1/runs/1/events"),
    ],
)
def test_a_path_leads_to_its_owner_under_its_canonical_name(path: str, service: str, canonical: str):
    target = TABLE.resolve(path)
    assert target is not None
    assert (target.service, target.path) == (service, canonical)


@pytest.mark.parametrize(
    "path",
    ["/", "", "/internal", "/internal/agents/desired", "/api/internal/x", "/api/v1/internal/x", "/api", "/api/",
     "/api/v1", "/api/v1/", "/api/v1/nowhere", "/api/v2/agents", "/.well-known/jwks.json/x", "/.well-known/other",
     "//internal/x", "/api/v1//internal", "/mcp-servers", "/AGENTS", "/api/V1/agents"],
)  # fmt: skip
def test_what_the_table_does_not_name_leads_nowhere(path: str):
    assert TABLE.resolve(path) is None


@given(st.text(alphabet=st.sampled_from("/.%ainterlgsv1 {}\\"), max_size=40))
def test_no_path_leads_to_the_inside_of_a_service(path: str):
    target = TABLE.resolve("/" + path)
    assert target is None or PurePosixPath(target.path).parts[1] != "internal"


@given(st.text(max_size=60))
def test_the_canonical_form_of_a_canonical_path_is_itself(path: str):
    once = TABLE.canonical("/" + path)
    if once.startswith("/api/v1/"):
        assert TABLE.canonical(once) == once


def test_a_doubled_segment_counts_once():
    assert TABLE.canonical("/api/multi_agent/multi_agent/x") == "/api/v1/multi_agent/x"


def test_every_route_belongs_to_a_service_of_the_table_and_none_to_two():
    assert {route.service for route in TABLE.routes} <= set(TABLE.services)
    assert len({(route.segments, route.below_api) for route in TABLE.routes}) == len(TABLE.routes)


def test_names_that_would_shadow_a_path_are_reserved():
    assert {"wrappers", "profiles", "templates", "kinds"} <= RESERVED_AGENT_NAMES
    assert parses_as_uuid("01890af0-0000-7000-8000-000000000000")
    assert parses_as_uuid("01890AF000007000800000000000 0000".replace(" ", ""))
    assert not parses_as_uuid("my-agent")
