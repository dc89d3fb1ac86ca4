"""The siblings that this service asks, as Protocols with an HTTP implementation."""

from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

from kgents_shared.contracts.attestations import SignAttestation, SignedAttestation
from kgents_shared.contracts.credentials import KnownCredential, KnownCredentials, LookUpCredentials
from kgents_shared.contracts.deployments import ObservedDeployment, ShellState
from kgents_shared.contracts.providers import KnownProviders
from kgents_shared.contracts.tools import KnownTools
from kgents_shared.errors import Unavailable
from kgents_shared.http.client import CallFailed, ServiceClient

_TIMEOUT_S = 5


class ToolCatalog(Protocol):
    """Which tools an owner has."""

    async def of_owner(self, owner_id: str) -> KnownTools:
        """All of them, by name; raises an `ApiError` where the registry can't be asked."""
        ...


class HttpToolCatalog:
    """The tool registry service."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def of_owner(self, owner_id: str) -> KnownTools:
        """`GET /internal/tools/known`."""
        found = await self._client.request_json(
            "GET", "/internal/tools/known", params={"owner_id": owner_id}, timeout_s=_TIMEOUT_S
        )
        return KnownTools.model_validate(found)


class ModelAccounts(Protocol):
    """Whose accounts at models' providers there are."""

    async def credentials(self, owner_id: str, refs: Collection[str]) -> Sequence[KnownCredential]:
        """Those of the references that the owner has; raises an `ApiError` where the vault can't be asked."""
        ...

    async def providers(self) -> Collection[str]:
        """The providers that the platform can ask by itself; raises an `ApiError` where nobody can say."""
        ...


class HttpModelAccounts:
    """The auth service's vault, and the runtime service's providers."""

    def __init__(self, auth: ServiceClient, runtime: ServiceClient) -> None:
        self._auth = auth
        self._runtime = runtime

    async def credentials(self, owner_id: str, refs: Collection[str]) -> Sequence[KnownCredential]:
        """`POST /internal/credentials/known`."""
        body = LookUpCredentials(owner_id=owner_id, credential_refs=tuple(refs)).model_dump(mode="json")
        found = await self._auth.request_json("POST", "/internal/credentials/known", json=body, timeout_s=_TIMEOUT_S)
        return KnownCredentials.model_validate(found).credentials

    async def providers(self) -> Collection[str]:
        """`GET /internal/providers`."""
        found = await self._runtime.request_json("GET", "/internal/providers", timeout_s=_TIMEOUT_S)
        return KnownProviders.model_validate(found).providers


class DeploymentObserver(Protocol):
    """What runs of agents."""

    async def of_agent(self, owner_id: str, agent_id: UUID) -> ObservedDeployment | None:
        """An agent's deployment; None where it isn't heard of. `Unavailable`, `CallFailed`."""
        ...


class HttpDeploymentObserver:
    """The deployment service."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def of_agent(self, owner_id: str, agent_id: UUID) -> ObservedDeployment | None:
        """`GET /internal/deployments/{agent_id}`."""
        found = await self._client.request_json(
            "GET", f"/internal/deployments/{agent_id}", params={"owner_id": owner_id}, timeout_s=_TIMEOUT_S
        )
        return None if found is None else ObservedDeployment.model_validate(found)


class ShellObserver(Protocol):
    """What kinds of agents the platform can run."""

    async def why_not(self, shell: str) -> str | None:
        """Why agents of the shell can't run; None where they can, `Unavailable` where nobody can say."""
        ...


class NoShells:
    """Where nothing is published."""

    async def why_not(self, shell: str) -> str | None:
        """None of them runs."""
        return f"no agent of the shell {shell} is started from here"


class HttpShellObserver:
    """The deployment service, whose launcher runs them."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def why_not(self, shell: str) -> str | None:
        """`GET /internal/shells/{shell}`."""
        try:
            found = await self._client.request_json("GET", f"/internal/shells/{shell}", timeout_s=_TIMEOUT_S)
        except CallFailed as error:
            raise Unavailable("The deployment service doesn't say which agents can run here.") from error
        return ShellState.model_validate(found).why_not


class AttestationSigner(Protocol):
    """Who signs attestations, so that third parties can verify them."""

    async def sign(self, attestation: SignAttestation) -> SignedAttestation:
        """The signed attestation. `Unavailable`, `CallFailed`."""
        ...


class HttpAttestationSigner:
    """The auth service."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def sign(self, attestation: SignAttestation) -> SignedAttestation:
        """`POST /internal/attestations/sign`."""
        body = attestation.model_dump(mode="json")
        signed = await self._client.request_json("POST", "/internal/attestations/sign", json=body, timeout_s=_TIMEOUT_S)
        return SignedAttestation.model_validate(signed)
