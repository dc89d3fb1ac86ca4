"""Bodies and queries that routes would take, with places for ids: what is tried with another tenant's ids and none.

`{bot_id}` is an id at its place, `{fresh}` a name that nothing has.
"""

from typing import Any

FRESH = "fresh-"
WRAPPER = {"agent_id": "{agent_id}", "configuration": {"llm": {"credential_ref": "{credential_ref}"}}}
PART_OF_BOT = {"ghost_id": "{ghost_id}", "model_id": "{model_id}", "shell_id": "{shell_id}"}
FALLBACKS = {"fallbacks": [{"provider": "openai", "credential_ref": "{credential_ref}"}]}
NO_TOOL = 'forbid (principal, action, resource == Tool::"nothing.nothing");'
AGENT = {"system_prompt": "Changed.", "llm": {"credential_ref": "{credential_ref}"}}
# What a route takes beside the ids, where it would refuse nonsense before it looks for a thing.
API = {"openapi": "3.1.0", "info": {"title": "An API", "version": "1"}, "paths": {}}
HTTP_TOOL = {
    "name": "with-a-ref.get",
    "description": "Gets it.",
    "request": {"method": "GET", "url": "https://api.example"},
}
BODIES: dict[str, dict[str, Any]] = {
    "POST /api/v1/credentials/{credential_ref}/rotate": {"secret": "another"},
    "PATCH /api/v1/auth/clients/{client_id}": {"name": "changed"},
    "POST /api/v1/auth/clients/{client_id}/secrets": {},
    "PUT /api/v1/agents/{agent}": {"name": "mine", **AGENT},
    "PUT /api/v1/agents/{agent}/reload": {"name": "mine", **AGENT},
    "POST /api/v1/agents/validate": {"name": "mine", **AGENT},
    "POST /api/v1/agents/{agent}/rollback": {"version": 1},
    "PUT /api/v1/agents/{agent}/labels/{label}": {"version": 1},
    "PATCH /api/v1/organisations/{organisation}": {"name": "Changed"},
    "PUT /api/v1/organisations/{organisation}/members/{user_id}": {"role": "owner"},
    "PUT /api/v1/cp/platform-credentials": {"platform": "team", "credentials": {"access_token": "of a team"}},
    "PUT /api/v1/cp/exchange-setup": {
        "api_key": "of a team",
        "api_secret": "of a team too",
        "default_coin": "BTC",
        "risk_limits": {"max_units_per_order": "1"},
    },
    "POST /api/v1/credentials": {"name": "for-a-team", "type": "generic", "secret": "of a team"},
    "POST /api/v1/agents": {"name": "{fresh}", **AGENT},
    "POST /api/v1/kinds/ghosts": {"name": "{fresh}", "system_prompt": "Answer."},
    "PUT /api/v1/kinds/ghosts/{ghost}": {"name": "mine", "system_prompt": "Changed."},
    "POST /api/v1/kinds/models": {"name": "{fresh}", "api_key_ref": "{api_key_ref}"},
    "PUT /api/v1/kinds/models/{model}": {"name": "mine", "api_key_ref": "{api_key_ref}"},
    "POST /api/v1/kinds/shells": {"name": "{fresh}", "config": FALLBACKS},
    "PUT /api/v1/kinds/shells/{shell}": {"name": "mine", "config": FALLBACKS},
    "POST /api/v1/kinds/bots": {"name": "{fresh}", **PART_OF_BOT},
    "PUT /api/v1/kinds/bots/{bot}": {"name": "mine-bot", **PART_OF_BOT},
    "POST /api/v1/kinds/bots/import": {"name": "{fresh}", **AGENT},
    "POST /api/v1/kinds/teams": {"name": "{fresh}", "members": [{"bot_id": "{bot_id}"}]},
    "PUT /api/v1/kinds/teams/{team}": {"name": "mine-team", "members": [{"bot_id": "{bot_id}"}]},
    "POST /api/v1/agents/wrappers": {"name": "{fresh}", **WRAPPER},
    "PUT /api/v1/agents/wrappers/{wrapper}": {"name": "mine-wrapper", **WRAPPER},
    "POST /api/v1/agents/profiles": {"name": "{fresh}", "agent_id": "{agent_id}"},
    "PUT /api/v1/agents/profiles/{profile}": {"name": "mine", "agent_id": "{agent_id}"},
    "POST /api/v1/agents/profiles/{profile}/attest": {"type": "identity", "statement": "It is ours."},
    "POST /api/v1/mcp-servers": {"name": "with-a-ref", "transport": "streamable_http"},
    "PATCH /api/v1/mcp-servers/{server_id}": {
        "oauth": {"client_ref": "{client_ref}", "issuer": "https://issuer.example"},
    },
    "POST /api/v1/mcp-servers/{server_id}/refresh": {},
    "POST /api/v1/mcp-servers/{server_id}/authorize": {},
    "POST /api/v1/mcp-servers/{server_id}/prompts/fill": {"name": "nothing"},
    "PATCH /api/v1/mcp-servers/{server_id}/tools/{tool}": {"side_effect": "none"},
    "POST /api/v1/mcp-servers/{server_id}/tools/{tool}/accept": {"definition_hash": "0" * 64},
    "PUT /api/v1/mcp-servers/{wasm_server_id}/wasm": {"module": "{sha256}"},
    "POST /api/v1/tools": HTTP_TOOL,
    "POST /api/v1/tools/import": {"name": "with-a-ref", "document": API, "base_url": "https://api.example"},
    "PATCH /api/v1/tools/imports/{api_id}": {"operations": ["*"]},
    "POST /api/v1/tools/imports/{api_id}/refresh": {"document": API},
    "PATCH /api/v1/tools/{name}": {"side_effect": "external"},
    "POST /api/v1/tools/{name}/accept": {"definition_hash": "0" * 64},
    "POST /api/v1/tools/{name}/call": {"arguments": {}},
    "PUT /api/v1/tools/{name}/cost": {"amount": "1"},
    "POST /api/v1/agents/{agent}/message": {"text": "Hello"},
    "POST /api/v1/agents/{agent}/runs": {"text": "Hello"},
    "PUT /api/v1/conversations/{conversation_id}/facts/{key}": {"text": "Tea."},
    "POST /api/v1/runs/{run_id}/replay": {"version": 1},
    "POST /api/v1/capabilities/{capability}/message": {"text": "Hello"},
    "POST /api/v1/multi_agent/context": {"name": "{fresh}"},
    "PUT /api/v1/multi_agent/context/{context_id}": {"name": "changed"},
    "POST /api/v1/multi_agent/context/{context_id}/agents": {"agent": "{agent}"},
    "POST /api/v1/multi_agent/context/{context_id}/persist": {"data": {}},
    "POST /api/v1/multi_agent/message": {"context_id": "{context_id}", "text": "Hello"},
    "POST /v1/responses": {"model": "{agent}", "input": "Hello"},
    "POST /api/v1/agents/{agent}/memory/search": {"query": "tea"},
    "PUT /api/v1/agents/{agent}/memory/{key}": {"value": "coffee"},
    "POST /api/v1/tools/permissions": {"effect": "deny", "pattern": "{fresh}.*"},
    "PUT /api/v1/tools/capabilities/{capability}": {"patterns": ["nothing.*"]},
    "POST /api/v1/governance/policies": {"name": "{fresh}", "text": NO_TOOL},
    "PUT /api/v1/governance/policies/{policy_id}": {"text": NO_TOOL},
    "POST /api/v1/governance/policies/check": {"call": {"tool": "nothing.nothing", "agent_id": "{agent_id}"}},
    "POST /api/v1/approvals/{approval_id}/decide": {"decision": "reject"},
    "POST /api/v1/nl/agents": {"description": "An agent.", "llm": {"credential_ref": "{credential_ref}"}},
}


# What a route asks a server for, by a query that it must have.
QUERIES = {
    "GET /api/v1/mcp-servers/{server_id}/resources/read": {"uri": "note:///nothing"},
    "GET /api/v1/runs/{run_id}/comparison": {"with": "{with}"},
}
