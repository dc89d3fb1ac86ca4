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
_PROVIDER = "kgents models health tells which of the platform's providers can be reached and take their keys"
_NEXT_BY_CODE: Mapping[str, str] = {
    "agent_not_found": "see what there is with: kgents agents list",
    "template_not_found": "see what there is with: kgents templates list",
    "approval_not_found": "see what there is with: kgents approvals list --status all",
    "run_not_found": "see yours with: kgents runs list",
    "budget_not_found": "see what there is with: kgents budgets list",
    "budget_exhausted": "see what is left of each budget with: kgents budgets list",
    "context_not_found": "see what there is with: kgents contexts list",
    "participant_not_found": "see who takes part with: kgents contexts show CONTEXT",
    "memory_not_found": "see what there is with: kgents memory list AGENT",
    "fact_not_found": "see what is pinned with: kgents conversations context CONVERSATION",
    "price_not_found": "see what there is with: kgents models prices list",
    "model_not_found": "https://ollama.com/library has the names, with their tags: llama3.2:3b",
    "invalid_credentials": "see that the address is the one that the account was made with, and try again",
    "approval_decided": "see what was said with: kgents approvals show ID",
    "not_in_person": "log in as yourself with: kgents login",
    "own_request": "kgents approvals list shows it to everybody else of the organisation who may decide",
    "policy_not_found": "see what there is with: kgents policies list",
    "permission_rule_not_found": "see what there is with: kgents tools permissions",
    "capability_not_found": "what agents can do: kgents capabilities list; groups of tools: kgents tools capabilities",
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
    "conversation_not_found": "see yours with: kgents conversations list",
    "provider_refused": _PROVIDER,
    "provider_unreachable": _PROVIDER,
    "provider_garbage": "try again; if it stays so, another model may do better",
}

_PARTS_OF_A_REQUEST = ("body", "path", "query")
# Says nothing beside the one fault that there is.
_NO_MORE = "The request has faults"
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
    hint = _NEXT_BY_CODE.get(str(problem.get("code")), _NEXT.get(status))
    if lines:
        detail, hint = _LISTED.sub(":", detail), None
    if len(lines) == 1 and source is None and detail.rstrip(":.") == _NO_MORE:
        detail, lines = lines[0], []
    if hint is None and not lines and status >= 500 and (identifier := problem.get("correlation_id")):
        hint = f"kgents server logs has more under {identifier}"
    exit_code = EXIT_BAD_INPUT if status in (400, 404, 409, 413, 415, 422) else EXIT_OTHER
    return ApiFault(
        detail,
        status=status,
        code=str(problem.get("code") or ""),
        lines=lines,
        hint=hint,
        exit_code=exit_code,
    )


def fault_line(fault: Mapping[str, Any], source: str | None) -> str:
    """One fault in a line: its place, what is wrong, how to mend it. `source` is the file that has it."""
    given = [str(part) for part in cast("Sequence[Any]", fault.get("loc") or ())]
    # A query's `as_of` is --as-of on the command line.
    given = [part.replace("_", "-") for part in given] if given[:1] == ["query"] else given
    loc = [part for part in given if part not in _PARTS_OF_A_REQUEST]
    if source is None and loc:
        # A run's id is RUN, or --conversation, on the command line.
        loc[-1] = loc[-1].removesuffix("_id")
    place = ".".join(loc)
    if source is not None:
        position = [str(fault[key]) for key in ("line", "column") if isinstance(fault.get(key), int)]
        place = ":".join([source, *position]) + (f": {place}" if place else "")
    text = str(fault.get("msg") or "is not accepted")
    hint = fault.get("hint")
    return (f"{place}: " if place else "") + text + (f" ({hint})" if hint else "")
