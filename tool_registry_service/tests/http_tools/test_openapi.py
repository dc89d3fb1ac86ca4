"""From OpenAPI documents to tools: what is made of them, and what is left out with its reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from tool_registry_service.http_tools.definition import HttpDefinition, Placement
from tool_registry_service.http_tools.openapi.documents import BadDocument, read_document
from tool_registry_service.http_tools.openapi.operations import Compiled, Place, compile_document
from tool_registry_service.http_tools.openapi.servers import base_url_of
from tool_registry_service.http_tools.sending import outgoing
from tool_registry_service.invocation.arguments import argument_faults, schema_fault

HOME = "https://api.example.com/v1"
PETS = """
openapi: 3.0.3
info: {title: Pets, version: "1"}
servers:
  - url: https://{region}.example.com/v1
    variables: {region: {default: eu}}
security: [{key: []}]
paths:
  /pets:
    parameters:
      - {$ref: "#/components/parameters/trace"}
    get:
      operationId: listPets
      summary: Pets by page.
      parameters:
        - {name: "filter[name]", in: query, schema: {type: string}}
        - {name: tags, in: query, explode: false, schema: {type: array, items: {type: string, enum: [yes, no]}}}
        - {name: session, in: cookie, schema: {type: string}}
      responses:
        200:
          description: ok
          content: {application/json: {schema: {type: array, items: {$ref: "#/components/schemas/Pet"}}}}
    post:
      operationId: addPet
      requestBody: {required: true, content: {application/json: {schema: {$ref: "#/components/schemas/Pet"}}}}
      responses: {201: {description: made}}
  /pets/{id}:
    delete:
      description: Lets a pet go.
      deprecated: true
      parameters:
        - {name: id, in: path, required: true, schema: {type: integer, minimum: 0, exclusiveMinimum: true}}
        - {name: id, in: query, schema: {type: string}}
      responses: {204: {description: gone}}
components:
  parameters:
    trace: {name: X-Trace, in: header, description: For support., schema: {type: string}}
  securitySchemes:
    key: {type: apiKey, in: header, name: X-API-Key}
  schemas:
    Pet:
      type: object
      required: [id, name]
      example: {name: Rex}
      x-internal: true
      properties:
        id: {type: integer, readOnly: true}
        name: {type: string}
        example: {type: string, nullable: true, enum: [a]}
        parent: {$ref: "#/components/schemas/Pet"}
"""


def compiled(document: Any, wanted: tuple[str, ...] = ("*",), most: int = 200) -> Compiled:
    return compile_document(read_document(document), Place(HOME), wanted, most)


def api(operation: dict[str, Any], path: str = "/x", method: str = "post", **parts: Any) -> dict[str, Any]:
    responses = {"responses": {"200": {"description": "ok"}}}
    given = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {path: {method: responses | operation}},
    }
    return given | parts


def only(document: Any) -> HttpDefinition:
    (tool,) = compiled(document).tools
    return tool


def test_a_document_becomes_a_tool_for_each_operation() -> None:
    found = compiled(PETS)
    tools = {tool.name: tool for tool in found.tools}
    assert list(tools) == ["listPets", "addPet", "delete_pets_id"]
    assert found.warnings == ["listPets: the cookie session is not sent."]
    listing = tools["listPets"]
    assert listing.description == "Pets by page."
    assert listing.placement == Placement(scheme="header", name="X-API-Key")
    assert [tool.suggested for tool in found.tools] == ["read", "external", "external"]
    assert listing.input_schema == {
        "type": "object",
        "properties": {
            "X-Trace": {"type": "string", "description": "For support."},
            "filter_name": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string", "enum": ["yes", "no"]}},
        },
        "additionalProperties": False,
    }
    request = outgoing(listing.sending, {"filter_name": "Rex", "tags": ["yes", "no"], "X-Trace": "7"})
    assert request.full_url == f"{HOME}/pets?filter%5Bname%5D=Rex&tags=yes%2Cno"
    assert request.headers == {"x-trace": "7"}


def test_arguments_of_the_same_name_are_told_apart() -> None:
    tool = next(tool for tool in compiled(PETS).tools if tool.name == "delete_pets_id")
    assert tool.description == "Deprecated.\n\nLets a pet go."
    assert tool.input_schema["properties"]["id"] == {"type": "integer", "exclusiveMinimum": 0}
    assert outgoing(tool.sending, {"id": 3, "id_query": "q"}).full_url == f"{HOME}/pets/3?id=q"


def test_a_schema_that_holds_itself_stays_finite_and_is_enforced() -> None:
    tool = next(tool for tool in compiled(PETS).tools if tool.name == "addPet")
    assert schema_fault(tool.input_schema) is None
    assert tool.input_schema["$defs"]["Pet"] == {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string"},
            "example": {"type": ["string", "null"], "enum": ["a", None]},
            "parent": {"$ref": "#/$defs/Pet"},
        },
    }
    assert argument_faults(tool.input_schema, {"body": {"name": "a", "parent": {"name": "b", "example": None}}}) == []
    assert argument_faults(tool.input_schema, {"body": {"name": "a", "parent": {}}}) == [
        "body/parent: 'name' is a required property"
    ]


def test_what_comes_back_has_its_schema() -> None:
    tool = next(tool for tool in compiled(PETS).tools if tool.name == "listPets")
    assert tool.output_schema is not None
    assert tool.output_schema["items"] == {"$ref": "#/$defs/Pet"}
    assert set(tool.output_schema["$defs"]["Pet"]["properties"]) == {"id", "name", "example", "parent"}


def test_patterns_choose_operations_and_too_many_are_refused() -> None:
    assert [tool.name for tool in compiled(PETS, ("list*", "addPet")).tools] == ["listPets", "addPet"]
    with pytest.raises(BadDocument) as refused:
        compiled(PETS, most=2)
    assert refused.value.faults[0].code == "too_many_operations"


def test_the_platforms_own_document_can_be_imported_whole() -> None:
    document = json.loads(Path("docs/openapi.json").read_text())
    found = compiled(document, most=10_000)
    # One operation takes a file.
    assert [warning for warning in found.warnings if "a body of a type that isn't sent" not in warning] == []
    assert len(found.tools) + len(found.warnings) == found.operations
    assert all(schema_fault(tool.input_schema) is None for tool in found.tools)
    assert len({tool.name for tool in found.tools}) == len(found.tools)


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ({"requestBody": {"$ref": "https://evil.example/body.json"}}, "refers to another document"),
        ({"requestBody": {"$ref": "file:///etc/passwd"}}, "refers to another document"),
        ({"requestBody": {"$ref": "#/components/nothing"}}, "which isn't there"),
        ({"requestBody": {"$ref": "#/paths/~1x/post/requestBody"}}, "refers in a circle"),
        ({"requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": "other.yaml"}}}}},
         "refers to another document"),
        ({"requestBody": {"required": True, "content": {"application/octet-stream": {}}}}, "a type that isn't sent"),
        ({"requestBody": {"content": {"application/json": {"schema": {"$dynamicRef": "#x"}}}}}, "depend on where"),
        ({"parameters": [{"name": "s", "in": "cookie", "required": True, "schema": {}}]}, "wants the cookie s"),
        ({"parameters": [{"name": f"p{n}", "in": "query", "schema": {}} for n in range(101)]}, "over 100 parameters"),
        ({"parameters": [{"name": "X-A\r\nX-B", "in": "header", "schema": {}}]}, "a header that can't be sent"),
        ({"security": [{"mutual": []}]}, "in a way that isn't known"),
        ({"servers": [{"url": "https://elsewhere.example"}]}, "at another address"),
        ({"description": "Use the key sk-abcdefghij0123456789 for it."}, "what looks like a secret"),
    ],
)  # fmt: skip
def test_an_operation_that_cannot_be_called_is_left_out_with_its_reason(operation: Any, words: str) -> None:
    found = compiled(api(operation))
    assert found.tools == []
    assert len(found.warnings) == 1
    assert words in found.warnings[0]


def test_a_schema_that_multiplies_is_left_out_in_no_time() -> None:
    wide = {f"S{n}": {"allOf": [{"$ref": f"#/components/schemas/S{n + 1}"}] * 50} for n in range(200)}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/S0"}}}}
    found = compiled(api({"requestBody": body}, components={"schemas": {**wide, "S200": {}}}))
    assert "too large or too deep" in found.warnings[0]


def test_schemas_of_the_same_name_are_told_apart() -> None:
    places = ("#/components/schemas/x", "#/components/schemas/x_2", "#/components/x-more/x", "#/components/x-most/x")
    properties = {f"p{number}": {"$ref": place} for number, place in enumerate(places)}
    body = {"content": {"application/json": {"schema": {"properties": properties}}}}
    components = {
        "schemas": {"x": {"type": "string"}, "x_2": {"type": "integer"}},
        "x-more": {"x": {}},
        "x-most": {"x": {}},
    }
    tool = only(api({"requestBody": body}, components=components))
    assert len(tool.input_schema["$defs"]) == 4


def test_a_path_without_its_parameter_is_left_out() -> None:
    assert "{id} in its path" in compiled(api({}, "/x/{id}")).warnings[0]


@pytest.mark.parametrize(
    ("scheme", "placement"),
    [
        ({"type": "http", "scheme": "Bearer"}, Placement()),
        ({"type": "http", "scheme": "basic"}, Placement(scheme="basic")),
        ({"type": "apiKey", "in": "query", "name": "key"}, Placement(scheme="query", name="key")),
        ({"type": "oauth2", "flows": {}}, Placement()),
    ],
)
def test_the_credential_goes_where_the_document_says(scheme: Any, placement: Placement) -> None:
    document = api({"security": [{"s": []}]}, components={"securitySchemes": {"s": scheme}})
    assert only(document).placement == placement
    assert only(api({"security": []}, security=[{"s": []}])).placement is None


def test_headers_that_are_not_for_arguments_are_no_arguments() -> None:
    names = ("Authorization", "Host", "cookie", "Accept", "X-Ok")
    parameters = [{"name": name, "in": "header", "schema": {"type": "string"}} for name in names]
    assert only(api({"parameters": parameters})).input_schema["properties"] == {"X-Ok": {"type": "string"}}


@pytest.mark.parametrize(
    ("servers", "base"),
    [
        ([{"url": "https://a.example/v1/"}], "https://a.example/v1"),
        ([{"url": "/v2"}], "https://docs.example/v2"),
        ([{"url": "../v3"}], "https://docs.example/v3"),
        (None, "https://docs.example"),
    ],
)
def test_where_an_api_is(servers: Any, base: str) -> None:
    given = api({}) if servers is None else api({}, servers=servers)
    assert base_url_of(read_document(given), "https://docs.example/api/openapi.yaml") == base


@pytest.mark.parametrize("url", ["/v1", "ftp://a.example", "https://{host}/", "https://a.example:99999999", "https://"])
def test_an_api_whose_address_is_not_said_needs_one(url: str) -> None:
    with pytest.raises(BadDocument) as refused:
        base_url_of(read_document(api({}, servers=[{"url": url}])), None)
    assert refused.value.faults[0].code == "openapi_no_server"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("swagger: '2.0'", "openapi_version"),
        ("openapi: 4.0.0", "openapi_version"),
        ("just text", "openapi_document"),
        ("", "openapi_document"),
        ("a: [", "yaml_syntax"),
        ('{"a": ', "json_syntax"),
        ("{" * 100_000, "json_syntax"),
        ("a: !!python/object/apply:os.system [id]", "yaml_syntax"),
        ("a: &a [x]\n" + "".join(f"b{n}: &b{n} [{'*a, ' * 9} *a]\n".replace("*a", f"*{'a' if n == 0 else f'b{n - 1}'}")
                                 for n in range(9)), "yaml_syntax"),
        ({"openapi": "3.1.0", "paths": {"/x": {"get": {"parameters": [{"name": 1, "in": "q"}]}}}}, "openapi_document"),
        ({"openapi": "3.0.0", "x": json.loads("[" * 80 + "]" * 80)}, "openapi_too_large"),
        ({"openapi": "3.0.0", "x": [0] * 200_001}, "openapi_too_large"),
        ({"openapi": "3.0.0", "x": float("nan")}, "openapi_too_large"),
    ],
)  # fmt: skip
def test_what_is_no_document_is_refused(document: Any, code: str) -> None:
    with pytest.raises(BadDocument) as refused:
        read_document(document)
    assert refused.value.faults[0].code == code


def test_what_decides_over_a_call_decides_over_the_hash() -> None:
    base = only(api({}))
    assert only(api({})).definition_hash == base.definition_hash
    for other in (api({"description": "other"}), api({}, "/y"), api({}, method="put"), api({"parameters": [
        {"name": "a", "in": "query", "schema": {}}]})):  # fmt: skip
        assert only(other).definition_hash != base.definition_hash
