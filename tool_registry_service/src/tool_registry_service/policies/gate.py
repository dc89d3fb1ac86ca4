"""Each call is held against the policies that governance keeps; where they were never known, nothing is called."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from kgents_shared.contracts.policies import PolicyPage
from kgents_shared.contracts.tools import InvokeToolRequest
from kgents_shared.errors import Unavailable
from kgents_shared.http.client import ServiceClient
from kgents_shared.policies.calls import ToolCallFacts
from kgents_shared.policies.feed import PolicyFeed
from tool_registry_service.calls import CallableTool, Refused

_READ_TIMEOUT_S = 5
_MOST_NAMES = 200


@dataclass(frozen=True, slots=True)
class HttpPolicies:
    """The governance service's feed over HTTP; a `ReadPolicies`."""

    client: ServiceClient

    async def __call__(self, position: int, wait_s: float) -> PolicyPage:
        """`GET /internal/policies`."""
        params = {"after": str(position), "wait_s": str(wait_s)}
        found = await self.client.request_json(
            "GET", "/internal/policies", params=params, timeout_s=wait_s + _READ_TIMEOUT_S
        )
        return PolicyPage.model_validate(found)


class PolicyGate:
    """The policies' word. `wait_s`: how long a call of a registry that has just started waits for them."""

    def __init__(self, feed: PolicyFeed, *, wait_s: float = 5, clock: Callable[[], float] = time.time) -> None:
        self._feed = feed
        self._wait_s = wait_s
        self._clock = clock

    async def refusal(self, call: InvokeToolRequest, tool: CallableTool) -> Refused | None:
        """Refused with the policy, its rule and what can be done."""
        try:
            await self._feed.wait_until_known(self._wait_s)
        except Unavailable as error:
            return Refused("policies_unknown", f"{call.name} was not called: {error.detail} Try again in a moment.")
        decision = await self._feed.decide(_facts(call, tool, int(self._clock())))
        if decision.allowed:
            return None
        denied_by: dict[str, object] = {"level": "policy"}
        if decision.rules:
            rule = decision.rules[0]
            denied_by |= {"of": rule.level, "policy": rule.policy, "policy_id": rule.policy_id, "rule": rule.rule}
        return Refused("denied", decision.reason, denied_by)


def _facts(call: InvokeToolRequest, tool: CallableTool, now: int) -> ToolCallFacts:
    kind = "wasm" if tool.target is not None and str(tool.target.transport) == "wasm" else tool.kind
    return ToolCallFacts(
        owner_id=call.owner_id,
        agent_id=None if call.agent_id is None else str(call.agent_id),
        agent_name=call.agent_name,
        asked_by=_readable(call.principal),
        hops=len(call.hops),
        tool=tool.name,
        server=tool.name.partition(".")[0] if tool.target is None else tool.target.name,
        kind=kind,
        side_effect=tool.side_effect,
        argument_names=tuple(_readable(name) for name in list(call.arguments)[:_MOST_NAMES]),
        argument_bytes=len(json.dumps(call.arguments, separators=(",", ":"))),
        unix_time=now,
    )


def _readable(text: str) -> str:
    """Text as Cedar takes it: without halves of surrogate pairs."""
    return text.encode("utf-8", "replace").decode("utf-8")
