"""Events of the vault: ids, never a name that a person chose, never a secret."""

from pydantic import BaseModel

from kgents_shared.contracts.credentials import CredentialType

CREDENTIAL_MADE = "credential.made"
CREDENTIAL_ROTATED = "credential.rotated"
CREDENTIAL_DELETED = "credential.deleted"
CREDENTIAL_RESOLVED = "credential.resolved"
MASTER_KEY_ROTATED = "vault.master_key_rotated"


class CredentialChanged(BaseModel):
    """A credential was made, rotated or deleted; who keeps its secret drops it."""

    credential_ref: str
    owner_id: str
    type: CredentialType
    version: int
    by: str


class CredentialResolved(BaseModel):
    """A service was given a secret."""

    credential_ref: str
    owner_id: str
    version: int
    used_by: str
    purpose: str


class MasterKeyRotated(BaseModel):
    """New writes take another master key; data keys follow in the background."""

    key_id: str
    before: str
    by: str
