"""The card of an agent (A2A, "Agent Card"): what it is for, where it answers, and what its callers must show."""

from typing import Any, Final

from a2a.server.request_handlers.response_helpers import agent_card_to_dict
from a2a.types.a2a_pb2 import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentProvider,
    AgentSkill,
    ClientCredentialsOAuthFlow,
    HTTPAuthSecurityScheme,
    OAuth2SecurityScheme,
    OAuthFlows,
    SecurityRequirement,
    SecurityScheme,
    StringList,
)

from kgents_shared.auth.scopes import SCOPES
from kgents_shared.contracts.instances import InstanceRegistration

_NEEDED: Final = ("agents:invoke", "runs:read", "runs:write")
_TEXT: Final = "text/plain"
IMAGE_TYPES: Final = ("image/png", "image/jpeg", "image/webp", "image/gif")


def card_of(registration: InstanceRegistration, issuer: str) -> dict[str, Any]:
    """The card as JSON. Its address has the agent's id, which is the same for everybody who may talk to it."""
    spec = registration.spec
    url = f"{issuer}/a2a/{registration.agent_id}"
    description = spec.description or f"The agent {registration.agent_name}."
    card = AgentCard(
        name=registration.agent_name,
        description=description,
        version=str(registration.version),
        provider=AgentProvider(organization="Kgents", url=issuer),
        supported_interfaces=[
            AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version=version) for version in ("1.0", "0.3")
        ],
        capabilities=AgentCapabilities(streaming=True, push_notifications=True),
        # Whether its model takes pictures, nobody knows before it is asked.
        default_input_modes=[_TEXT, "application/json", *(IMAGE_TYPES if spec.runtime.shell == "Chat" else ())],
        default_output_modes=[_TEXT],
        skills=[
            AgentSkill(id=capability, name=capability, description=description, tags=[capability])
            for capability in spec.capabilities
        ],
        security_schemes={
            "bearer": SecurityScheme(
                http_auth_security_scheme=HTTPAuthSecurityScheme(
                    scheme="Bearer", description="An API key, or an access token of this platform."
                )
            ),
            "clientCredentials": SecurityScheme(
                oauth2_security_scheme=OAuth2SecurityScheme(
                    flows=OAuthFlows(
                        client_credentials=ClientCredentialsOAuthFlow(
                            token_url=f"{issuer}/api/v1/auth/token", scopes={name: SCOPES[name] for name in _NEEDED}
                        )
                    ),
                    oauth2_metadata_url=f"{issuer}/.well-known/oauth-authorization-server",
                )
            ),
        },
        security_requirements=[
            SecurityRequirement(schemes={"bearer": StringList()}),
            SecurityRequirement(schemes={"clientCredentials": StringList(list=_NEEDED)}),
        ],
    )
    return agent_card_to_dict(card)
