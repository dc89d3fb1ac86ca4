"""A flow is taken as Langflow exports it, or refused with every reason, each with node, field and place."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgents_shared.definitions.examine import Report, examine
from kgents_shared.definitions.flows.catalogue import catalogue, tools_component
from kgents_shared.definitions.flows.compile import flow_in, name_of_flow
from kgents_shared.definitions.flows.making_catalogue import CATALOGUE, catalogue_of
from kgents_shared.definitions.flows.running import NOT_HERE as NOT_HERE_CODE
from kgents_shared.definitions.flows.running import components_not_here
from kgents_shared.definitions.limits import SystemLimits
from kgents_shared.definitions.reading import read_definition
from kgents_shared.errors import InvalidInput
from tests.external.langflow import component_names, echo_flow, langflow_folder, node_of, starter_flows

Json = dict[str, Any]
KEY = "sk-" + "a1B2" * 10
REFUSED = {
    "Hybrid Search RAG": ["flow_component_unknown", "flow_component_unknown"],
    "Meeting Summary": ["flow_custom_code"],
    "Research Translation Loop": ["flow_component_unknown"],
}
TAKES_NO_MESSAGE = {
    "Financial Report Parser",
    "Portfolio Website Code Generator",
    "SEO Keyword Generator",
    "Text Sentiment Analysis",
}
# Taken, and not published: the components for which.
NOT_HERE = {
    "Blog Writer": {"URLComponent"},
    "Content Aggregator": {"UnifiedWebSearch", "SaveToFile"},
    "Custom Component Generator": {"URLComponent", "MemoryBase"},
    "Deep Research Agent": {"UnifiedWebSearch"},
    "Document Q&A": {"Knowledge"},
    "Financial Report Parser": {"File"},
    "Instagram Copywriter": {"UnifiedWebSearch"},
    "Knowledge Retrieval": {"Knowledge"},
    "Market Research": {"UnifiedWebSearch"},
    "Memory Chatbot": {"MemoryBase"},
    "Portfolio Website Code Generator": {"File"},
    "Price Deal Finder": {"UnifiedWebSearch", "URLComponent", "MemoryBase"},
    "SaaS Pricing": {"SQLComponent"},
    "Sequential Tasks Agents": {"UnifiedWebSearch"},
    "Simple Agent": {"UnifiedWebSearch", "URLComponent"},
    "Social Media Agent": {"UnifiedWebSearch", "URLComponent"},
    "Text Sentiment Analysis": {"File"},
    "Travel Planning Agents": {"UnifiedWebSearch", "URLComponent"},
    "Vector Store RAG": {"Knowledge"},
}


def report_of(flow: Json, limits: SystemLimits | None = None) -> Report:
    return examine(json.dumps(flow).encode(), "json", limits or SystemLimits())


@cache
def starter_reports() -> dict[str, Report]:
    """What is said of each starter flow."""
    return {title: examine(body, "json") for title, body in starter_flows().items()}


def template(flow: Json, place: int = 0) -> Json:
    return flow["data"]["nodes"][place]["data"]["node"]["template"]


def codes(report: Report) -> list[str]:
    return [fault.code for fault in report.warnings]


def told(report: Report) -> list[tuple[str, str]]:
    return [(".".join(map(str, fault.loc)), fault.code) for fault in report.errors]


def test_the_catalogue_is_that_of_the_pinned_lfx():
    assert json.loads(CATALOGUE.read_text("utf-8")) == catalogue_of(langflow_folder() / "lfx")
    assert catalogue().version == "1.13.0"


def test_every_starter_flow_is_taken_or_refused_with_its_reason():
    reports = starter_reports()
    assert len(reports) == 27
    refused = {title: [fault.code for fault in report.errors] for title, report in reports.items() if report.errors}
    assert refused == REFUSED
    warned = {title for title, report in reports.items() if "flow_takes_no_message" in codes(report)}
    assert warned == TAKES_NO_MESSAGE
    assert all(report.spec is not None for title, report in reports.items() if title not in REFUSED)


def test_a_starter_flow_that_reaches_out_of_its_sandbox_is_taken_and_the_nodes_are_named():
    found: dict[str, set[str]] = {}
    for title, body in starter_flows().items():
        report, flow = starter_reports()[title], json.loads(body)
        nodes = [fault.loc[2] for fault in report.warnings if fault.code == NOT_HERE_CODE]
        if nodes:
            found[title] = {flow["data"]["nodes"][place]["data"]["type"] for place in nodes}
    assert found == NOT_HERE
    (fault,) = starter_reports()["Blog Writer"].warnings
    assert fault.msg == ('node "URL" (URLComponent-8dgnZ) reaches out to the network, and an agent\'s sandbox has none')
    assert "Kgents Tools" in (fault.hint or "")


def test_the_guide_says_of_each_starter_flow_what_becomes_of_it():
    guide = (Path(__file__).parents[3] / "docs" / "langflow.md").read_text("utf-8")
    rows = [
        line for line in guide.partition("## Langflow's own starter flows")[2].splitlines() if line.startswith("| ")
    ]
    titles = starter_flows().keys()
    named = {row.split(" | ")[0].strip("| "): {title for title in titles if f"*{title}*" in row} for row in rows}
    assert named.pop("run") == titles - NOT_HERE.keys() - REFUSED.keys()
    assert named.pop("refused") == REFUSED.keys()
    assert set().union(*named.values()) == NOT_HERE.keys()
    assert sum(len(found) for found in named.values()) == len(NOT_HERE)


def test_only_components_of_the_pinned_version_are_said_not_to_run():
    assert components_not_here().keys() <= set(component_names())


def test_the_platforms_own_component_is_known_also_without_the_break_after_its_last_line():
    for code in (tools_component(), tools_component().rstrip("\n")):
        flow = echo_flow("Echo", node_of("TextInput", "Tools-1"))
        flow["data"]["nodes"][1]["data"]["type"] = "KgentsTools"
        template(flow, 1)["code"]["value"] = code
        assert (report_of(flow).errors, report_of(flow).warnings) == ((), ())


def test_a_reason_names_the_node_and_says_where_it_stands_and_what_to_do():
    (fault, _) = starter_reports()["Hybrid Search RAG"].errors
    assert fault.msg == (
        'node "Astra DB" (AstraDB-hsri) is AstraDB, which comes in a package of its own and not with lfx 1.13.0'
    )
    assert (fault.position["line"], fault.hint) == (2172, "take a component of lfx 1.13.0 in its place")


def test_a_flow_is_an_agent_that_names_it_by_its_hash():
    body = json.dumps(echo_flow("Über Größe: Echo!")).encode()
    found = read_definition(body, "json")
    assert found.flow is not None
    assert (found.spec.name, found.spec.description) == ("uber-groe-echo", "Says it again.")
    assert (found.spec.runtime.shell, found.spec.runtime.flow) == ("Langflow", found.flow.hash)
    reordered = json.dumps(dict(reversed(list(echo_flow("Über Größe: Echo!").items())))).encode()
    again = flow_in(reordered)
    assert again is not None
    assert again.hash == found.flow.hash


def test_an_endpoint_name_goes_before_the_title():
    assert (
        read_definition(json.dumps(echo_flow() | {"endpoint_name": "my-echo"}).encode(), "json").spec.name == "my-echo"
    )
    assert name_of_flow("x" * 70 + "-") == "x" * 63


@pytest.mark.parametrize(
    ("title", "code"),
    [("", "string_pattern_mismatch"), (None, "string_type"), (7, "string_type"), ("Wrappers", "reserved_name")],
)
def test_a_flow_without_a_name_for_an_agent_is_told_so(title: object, code: str):
    assert told(report_of(echo_flow() | {"name": title})) == [("name", code)]


@pytest.mark.parametrize(
    "other",
    [
        {"name": "a", "system_prompt": "nodes, edges", "description": '"nodes" and "edges"'},
        {"data": {"nodes": {}, "edges": []}},
        {"data": ["nodes", "edges"]},
        ["nodes", "edges"],
    ],
)
def test_only_what_has_a_flows_shape_is_read_as_one(other: object):
    assert flow_in(json.dumps(other).encode()) is None


def test_a_text_that_stops_being_json_is_told_with_its_place():
    body = json.dumps(echo_flow(), indent=1).encode().rpartition(b"}")[0]
    (fault,) = examine(body, "json").errors
    assert (fault.code, fault.position["line"]) == ("json_syntax", body.count(b"\n") + 1)


def test_changed_code_is_refused_unless_the_operator_allows_it():
    flow = echo_flow()
    template(flow)["code"]["value"] += "\nimport os\n"
    (fault,) = report_of(flow).errors
    assert (fault.code, fault.loc[-2:]) == ("flow_custom_code", ("code", "value"))
    assert fault.msg == 'node "Chat Input" (ChatInput-1) has other code than ChatInput of lfx 1.13.0'
    allowed = report_of(flow, SystemLimits(flow_code=True))
    assert allowed.spec is not None
    assert [fault.code for fault in allowed.warnings] == ["flow_brings_code"]


def test_code_as_a_list_of_lines_is_the_same_code():
    flow = echo_flow()
    template(flow)["code"]["value"] = template(flow)["code"]["value"].split("\n")
    assert report_of(flow).errors == ()


def test_another_name_does_not_make_code_known_and_known_code_counts_under_any_name():
    flow = echo_flow("Echo", node_of("TextInput", "TextInput-1"))
    flow["data"]["nodes"][1]["data"]["type"] = "Whatever"
    assert report_of(flow).errors == ()
    template(flow, 1)["code"]["value"] = "print(1)"
    (fault,) = report_of(flow).errors
    assert fault.msg.endswith("is Whatever, no component of lfx 1.13.0: its code is the author's own")


@pytest.mark.parametrize("kind", sorted(catalogue().run_code))
def test_components_that_run_what_is_written_in_them_count_as_custom_code(kind: str):
    flow = echo_flow("Echo", node_of(kind, "Runs-1"))
    flow["data"]["nodes"][1]["data"]["type"] = "ChatInput"
    assert [fault.code for fault in report_of(flow).errors] == ["flow_custom_code"]
    assert "flow_brings_code" in codes(report_of(flow, SystemLimits(flow_code=True)))


def test_a_node_without_code_gets_a_suggestion():
    flow = echo_flow()
    del template(flow)["code"]
    flow["data"]["nodes"][0]["data"]["type"] = "ChatInputs"
    (fault,) = report_of(flow).errors
    assert (fault.code, fault.hint) == ("flow_component_unknown", 'did you mean "ChatInput"?')


def test_nodes_inside_of_groups_are_looked_at_too():
    inside = echo_flow()["data"]
    inside["nodes"][1]["data"]["node"]["template"]["code"]["value"] = "print(1)"
    group = {"display_name": "Group", "template": {}, "flow": {"data": inside}}
    flow = echo_flow("Echo")
    flow["data"]["nodes"].append({"id": "Group-1", "type": "genericNode", "data": {"type": "Group", "node": group}})
    assert told(report_of(flow)) == [
        ("data.nodes.2.data.node.flow.data.nodes.1.data.node.template.code.value", "flow_custom_code")
    ]


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("Agent", "api_key", "hunter2"),
        ("Agent", "system_prompt", f"Use {KEY}."),
        ("APIRequest", "url_input", "https://me:hunter2@example.org/"),
    ],
)
def test_a_secret_is_refused_with_its_node_and_field_and_never_repeated(kind: str, field: str, value: str):
    node = node_of(kind, "Node-1", **{field: value})
    if "load_from_db" in node["data"]["node"]["template"][field]:
        node["data"]["node"]["template"][field]["load_from_db"] = False
    (fault,) = report_of(echo_flow("Echo", node)).errors
    assert fault.code == "secret_in_document"
    assert fault.loc == ("data", "nodes", 1, "data", "node", "template", field, "value")
    assert fault.msg.startswith(f'node "{node["data"]["node"]["display_name"]}" (Node-1), field "{field}", holds ')
    assert "hunter2" not in str(fault)
    assert KEY not in str(fault)


def test_the_name_of_a_variable_is_no_secret():
    node = node_of("Agent", "Agent-1", api_key="OPENAI_API_KEY")
    node["data"]["node"]["template"]["api_key"]["load_from_db"] = True
    assert report_of(echo_flow("Echo", node)).errors == ()


@pytest.mark.parametrize("place", ["title", "id", "kind", "field", "note", "edge"])
def test_a_secret_outside_of_fields_is_found_and_no_other_fault_repeats_it(place: str):
    flow = echo_flow()
    node, data = flow["data"]["nodes"][0], flow["data"]["nodes"][0]["data"]
    if place == "title":
        data["node"]["display_name"] = KEY
        data["node"]["template"]["code"]["value"] = "x"
    elif place == "id":
        node["id"] = KEY
    elif place == "kind":
        data["type"] = KEY
        data["node"]["template"]["code"]["value"] = "x"
    elif place == "field":
        data["node"]["template"][KEY] = {"value": KEY}
    elif place == "note":
        note = {"id": "note-1", "type": "noteNode", "data": {"type": "note", "node": {"description": KEY}}}
        flow["data"]["nodes"].append(note)
    else:
        flow["data"]["edges"][0]["target"] = KEY
    errors = report_of(flow).errors
    assert "secret_in_document" in {fault.code for fault in errors}
    assert KEY not in str(errors)


def test_a_name_that_is_a_secret_is_not_repeated_by_what_else_is_wrong_with_it():
    body = json.dumps(echo_flow() | {KEY: "a\x00b"}).replace('{"name"', f'{{"{KEY}": 1, "name"', 1).encode()
    errors = examine(body, "json").errors
    assert {(fault.loc, fault.code) for fault in errors} == {(("(hidden)",), "secret_in_document")}
    assert KEY not in str(errors)


@pytest.mark.parametrize(
    ("where", "entry", "loc"),
    [
        ("nodes", "x", "data.nodes.2"),
        ("nodes", {"id": "a", "data": {}}, "data.nodes.2.data"),
        ("nodes", {"id": 1, "data": {}}, "data.nodes.2"),
        ("nodes", {"id": "ChatInput-1", "data": {"type": "note"}}, "data.nodes.2.id"),
        ("edges", {"source": "ChatInput-1", "target": "Gone"}, "data.edges.1.target"),
        ("edges", {"target": "ChatInput-1"}, "data.edges.1.source"),
        ("edges", None, "data.edges.1.source"),
    ],
)
def test_a_shape_that_langflow_does_not_export_is_told(where: str, entry: object, loc: str):
    flow = echo_flow()
    flow["data"][where].append(entry)
    assert told(report_of(flow))[0] == (loc, "flow_malformed")


def test_a_flow_without_components_is_refused():
    note = {"id": "note-1", "type": "noteNode", "data": {"type": "note"}}
    assert told(report_of({"name": "Notes", "data": {"nodes": [note], "edges": []}})) == [
        ("data.nodes", "flow_malformed")
    ]


@pytest.mark.parametrize(
    ("text", "code"), [('"a\\u0000"', "nul_character"), ('"\\ud800"', "lone_surrogate"), ("1e999", "finite_number")]
)
def test_what_cannot_be_stored_is_refused_wherever_it_stands(text: str, code: str):
    body = json.dumps(echo_flow() | {"extra": {"deep": ["here"]}}).replace('"here"', text).encode()
    assert told(examine(body, "json")) == [("extra.deep.0", code)]


def test_a_name_given_twice_is_told():
    body = json.dumps(echo_flow()).replace('{"name"', '{"name": "a", "name"', 1).encode()
    assert told(examine(body, "json")) == [("name", "duplicate_key")]


def test_a_flow_that_nobody_can_talk_to_is_warned_of():
    flow = echo_flow("Echo", node_of("CalculatorComponent", "Calculator-1"))
    flow["data"] = {"nodes": [flow["data"]["nodes"][1]], "edges": []}
    assert [fault.code for fault in report_of(flow).warnings] == ["flow_takes_no_message", "flow_gives_no_answer"]


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, entry in entries for found in paths(entry, (*path, key)))]


JSON = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([]) | st.just({})


@given(place=st.integers(min_value=0, max_value=10_000), value=JSON)
def test_any_change_of_a_flow_is_a_spec_or_faults_with_places(place: int, value: object):
    flow = echo_flow()
    path = (places := paths(flow)[1:])[place % len(places)]
    around: Any = flow
    for part in path[:-1]:
        around = around[part]
    around[path[-1]] = value
    report = report_of(flow)
    assert (report.spec is None) == bool(report.errors)
    assert all(fault.position for fault in report.errors)


def test_a_spec_names_a_flow_if_and_only_if_its_shell_runs_one():
    for runtime, code in (({"shell": "Langflow"}, "flow_missing"), ({"flow": "sha256:" + "0" * 64}, "flow_not_run")):
        with pytest.raises(InvalidInput) as refused:
            read_definition(json.dumps({"name": "a", "system_prompt": "b", "runtime": runtime}).encode(), "json")
        assert [(fault.loc, fault.code) for fault in refused.value.errors] == [(("runtime", "shell"), code)]


def test_of_very_many_faults_the_first_hundred_are_told():
    nodes = [{"id": str(place), "data": {"type": "Nothing", "node": {"template": {}}}} for place in range(2000)]
    errors = report_of({"name": "Many", "data": {"nodes": nodes, "edges": []}}).errors
    assert [fault.code for fault in errors] == ["flow_component_unknown"] * 100
