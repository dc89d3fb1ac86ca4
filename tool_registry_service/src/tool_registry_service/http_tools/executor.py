"""Calls of tools that are HTTP requests."""

import hashlib
from dataclasses import replace

from kgents_shared.contracts.tools import InvokeToolRequest
from kgents_shared.http.vault import CredentialUse
from tool_registry_service import heavy_imports
from tool_registry_service.calls import CallableTool, ToolAnswer
from tool_registry_service.errors import NeverSent
from tool_registry_service.http_tools.definition import Placement, StoredDefinition
from tool_registry_service.http_tools.secrets import NOTHING_SHOWN, HttpSecrets, Shown
from tool_registry_service.http_tools.sending import Outgoing, outgoing
from tool_registry_service.settings import ToolsSettings

_UNAUTHORIZED = 401
_WITHOUT_KEY = frozenset({"GET", "HEAD"})


class HttpExecutor:
    """Sends each call as its definition says, with the credential put in at the last moment."""

    def __init__(self, settings: ToolsSettings, secrets: HttpSecrets) -> None:
        self._settings = settings
        self._secrets = secrets

    async def call(self, tool: CallableTool, call: InvokeToolRequest) -> ToolAnswer:
        """Call it once; raises `ToolCallFault`s."""
        if tool.definition is None or tool.owner_id is None:
            raise NeverSent(f"{tool.name} has no request.")
        await heavy_imports.load()
        from tool_registry_service.http_tools.answers import answer_of  # noqa: PLC0415 -- loaded with httpx
        from tool_registry_service.http_tools.exchange import exchange  # noqa: PLC0415
        from tool_registry_service.outgoing.client import OutgoingHttp  # noqa: PLC0415

        definition = StoredDefinition.model_validate(tool.definition)
        request = _keyed(outgoing(definition.sending, call.arguments), tool, call)
        use = None if definition.credential_ref is None else CredentialUse(definition.credential_ref, tool.owner_id)
        shown = await self._shown(use, definition.placement, tool.name)
        answered = await exchange(OutgoingHttp.of(self._settings), request, shown, self._settings.call_timeout_s)
        if use is not None and answered.status == _UNAUTHORIZED:
            self._secrets.forget(use)  # it may have been rotated: the next call has the new one
        answer = answer_of(answered, wants_structure=tool.output_schema is not None)
        return ToolAnswer(shown.masked(answer.text), answer.is_error, shown.masked_value(answer.structured))

    async def _shown(self, use: CredentialUse | None, placement: Placement | None, name: str) -> Shown:
        if use is None or placement is None:
            return NOTHING_SHOWN
        return await self._secrets.shown(use, placement, f"call of {name}"[:200])


def _keyed(request: Outgoing, tool: CallableTool, call: InvokeToolRequest) -> Outgoing:
    """The same call again has the same key for the far side, which need not know what it is here."""
    if request.method in _WITHOUT_KEY:
        return request
    key = hashlib.sha256(f"{tool.id}:{call.idempotency_key}".encode()).hexdigest()[:32]
    headers = {"idempotency-key": key} | request.headers
    return replace(request, headers=headers)
