"""A server's problem+json (RFC 9457) as a person reads it: every fault, its place, its hint."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from kgents_cli.faults import EXIT_BAD_INPUT, EXIT_OTHER, ApiFault

_NEXT: Mapping[int, str] = {
    401: "the token was not accepted: unset KGENTS_TOKEN, or see that KGENTS_HOME is the server's",
    403: "this identity may not do that: use a token with the scope that the message names",
    404: "the same command with `list` shows what there is",
    429: "wait a moment and try again",
    503: "wait a moment and try again; if it stays so, kgents doctor looks for the cause",
}
_CREDENTIAL = "the server's own settings are meant: OPENAI_API_KEY and OPENAI_BASE_URL where it is started"
_NEXT_BY_CODE: Mapping[str, str] = {
    "agent_not_found": "see what there is with: kgents agents list",
    "template_not_found": "see what there is with: kgents templates list",
    "approval_not_found": "see what there is with: kgents approvals list --status all",
    "run_not_found": "`kgents message` says the id of a run whose answer isn't there at once",
    "approval_decided": "see what was said with: kgents approvals show ID",
    "not_in_person": "log in as yourself with: kgents login",
    "own_request": "kgents approvals list shows it to everybody else of the organisation who may decide",
    "policy_not_found": "see what there is with: kgents policies list",
    "permission_rule_not_found": "see what there is with: kgents tools permissions",
    "capability_not_found": "see what there is with: kgents tools capabilities",
    "tool_not_found": "see what there is with: kgents tools list",
    "credential_not_found": "see what there is with: kgents credentials list",
    "mcp_server_unreachable": "see that it runs and that its address or command is right; then the same command again",
    "not_a_wasm_server": "see how it is reached with: kgents mcp inspect NAME",
    "mcp_authorization_failed": "a server that asks for none is registered without --oauth",
    "openapi_document_unreachable": "see that the address is right, or name a file",
    "invocation_not_found": "see what there is with: kgents tools invocations",
    "version_not_found": "see what there is with: kgents agents versions NAME",
    "not_found": "see what there is with: kgents agents list",
    "no_such_organisation": "see yours with: kgents organisations list",
    "no_such_user": "name them by the id that `kgents whoami` shows them",
    "conversation_not_found": "leave --conversation out to begin a new one",
    "provider_refused": _CREDENTIAL,
    "provider_unreachable": _CREDENTIAL,
    "provider_garbage": "try again; if it stays so, another model may do better",
}

_PARTS_OF_A_REQUEST = ("body", "path", "query")
# Said to a program; here the list follows.
_LISTED = re.compile(r"[.;] [Ee]ach( fault| place| reason)? is listed in errors\.?$")


def problem_error(status: int, body: Any, *, source: str | None = None) -> ApiFault:
    """The failure that a problem document tells of.

    `source` is the file that was sent: faults then read `my-agent.toml:3:5: …`, as compilers write them.
    """
    problem: Mapping[str, Any] = cast("Mapping[str, Any]", body) if isinstance(body, dict) else {}
    detail = str(problem.get("detail") or problem.get("title") or f"the server answered with status {status}")
    faults = problem.get("errors")
    lines = [fault_line(cast("Mapping[str, Any]", item), source) for item in faults] if isinstance(faults, list) else []
    if lines:
        detail = _LISTED.sub(":", detail)
    hint = _NEXT_BY_CODE.get(str(problem.get("code")), _NEXT.get(status))
    if hint is None and status >= 500 and (identifier := problem.get("correlation_id")):
        hint = f"kgents server logs has more under {identifier}"
    exit_code = EXIT_BAD_INPUT if status in (400, 404, 409, 413, 415, 422) else EXIT_OTHER
    return ApiFault(
        detail,
        status=status,
        code=str(problem.get("code") or ""),
        lines=lines,
        hint=None if lines else hint,
        exit_code=exit_code,
    )


def fault_line(fault: Mapping[str, Any], source: str | None) -> str:
    """One fault in a line: its place, what is wrong, how to mend it. `source` is the file that has it."""
    loc = [str(part) for part in cast("Sequence[Any]", fault.get("loc") or ()) if part not in _PARTS_OF_A_REQUEST]
    place = ".".join(loc)
    if source is not None:
        position = [str(fault[key]) for key in ("line", "column") if isinstance(fault.get(key), int)]
        place = ":".join([source, *position]) + (f": {place}" if place else "")
    text = str(fault.get("msg") or "is not accepted")
    hint = fault.get("hint")
    return (f"{place}: " if place else "") + text + (f" ({hint})" if hint else "")
