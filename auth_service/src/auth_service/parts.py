"""The parts of the running service, wired by the lifespan."""

from dataclasses import dataclass

from auth_service.api_keys.service import ApiKeys
from auth_service.attestations.service import Attestations
from auth_service.first_boot.seeding import FirstBoot
from auth_service.keys.rotation import KeyRotation
from auth_service.keys.signing_keys import SigningKeys
from auth_service.limits.failures import Failures
from auth_service.limits.service import Limits
from auth_service.machines.service import Machines
from auth_service.mail.post_office import PostOffice
from auth_service.oidc.service import OidcLogins
from auth_service.people.passwords import Passwords
from auth_service.people.refreshing import Refreshing
from auth_service.people.service import People
from auth_service.personal_data.service import PersonalDataService
from auth_service.revocations.service import RevocationNews
from auth_service.settings import AuthSettings
from auth_service.storage import Storage
from auth_service.tokens.exchange import Exchange
from auth_service.tokens.inspection import Inspection
from auth_service.tokens.service import Sessions
from auth_service.users.administration import Administration
from auth_service.vault.control_plane.service import ControlPlane
from auth_service.vault.credentials.service import Credentials
from auth_service.vault.opening import Vault
from auth_service.vault.rotation.service import Rotation


@dataclass(frozen=True, slots=True)
class Parts:
    """What endpoints work with."""

    settings: AuthSettings
    keys: SigningKeys
    key_rotation: KeyRotation
    storage: Storage
    limits: Limits
    failures: Failures
    revocation_news: RevocationNews
    people: People
    passwords: Passwords
    post_office: PostOffice
    oidc: OidcLogins
    sessions: Sessions
    refreshing: Refreshing
    administration: Administration
    machines: Machines
    exchange: Exchange
    inspection: Inspection
    api_keys: ApiKeys
    attestations: Attestations
    first_boot: FirstBoot
    vault: Vault
    credentials: Credentials
    control_plane: ControlPlane
    vault_rotation: Rotation
    personal_data: PersonalDataService
