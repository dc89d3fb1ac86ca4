"""What the auth service itself keeps of a person, and what becomes of it when they are erased."""

from auth_service.schema import SCHEMA
from kgents_shared.personal_data import PersonalData, PersonalTable

ERASED = "erased-"
_USER = "row.user_id::text = %(subject)s"
_ACCOUNT = "(SELECT provider_subject FROM identity.users WHERE id::text = %(subject)s)"
_ADDRESS = "(SELECT email FROM identity.users WHERE id::text = %(subject)s)"
_OF_CLIENT = "row.client_id IN (SELECT client_id FROM identity.app_clients WHERE owner_id::text = %(subject)s)"

PERSONAL_DATA = PersonalData(
    schema=SCHEMA,
    tables=(
        PersonalTable("mail_requests", f"row.email = {_ADDRESS}"),
        PersonalTable("mailed_tokens", f"row.subject = {_ACCOUNT} OR row.email = {_ADDRESS}", hidden=("token_hash",)),
        PersonalTable("local_accounts", f"row.id::text = {_ACCOUNT}", hidden=("password_hash",)),
        PersonalTable("refresh_tokens", _USER, hidden=("token_hash",)),
        PersonalTable("api_keys", _USER, hidden=("key_hash",)),
        PersonalTable("client_assertions", _OF_CLIENT, hidden=("jti_hash",)),
        PersonalTable("app_client_secrets", _OF_CLIENT, hidden=("secret_hash",)),
        PersonalTable("app_client_roles", _OF_CLIENT),
        PersonalTable("app_clients", "row.owner_id::text = %(subject)s", hidden=("secret_hash",)),
        PersonalTable("user_roles", _USER),
        PersonalTable("organisation_members", f"{_USER} OR row.organisation_id::text = %(subject)s"),
        PersonalTable("platform_connections"),
        PersonalTable("exchange_setups"),
        PersonalTable("credential_uses"),
        PersonalTable("credentials", hidden=("wrapped_key", "ciphertext")),
        PersonalTable("organisations", "row.id::text = %(subject)s", becomes=f"name = '', slug = '{ERASED}' || row.id"),
        # The row stays without a name: the id in others' records leads here, and to nobody.
        PersonalTable(
            "users",
            "row.id::text = %(subject)s",
            becomes=f"email = '{ERASED}' || row.id || '@erased.invalid', name = '', "
            f"provider_subject = '{ERASED}' || row.id, disabled_at = coalesce(disabled_at, now())",
        ),
        PersonalTable("revocations", "row.subject = %(subject)s", becomes=""),
        PersonalTable("erasure_parts", "row.subject = %(subject)s", becomes=""),
    ),
    impersonal={
        "outbox": "events on their way: ids, gone once they are delivered",
        "erasures": "ids and times",
        "roles": "what roles there are",
        "permissions": "what roles are made of",
        "role_permissions": "what roles are made of",
        "signing_keys": "the platform's keys",
        "attestation_keys": "the platform's public keys",
        "vault_keys": "which master keys there are",
        "limits": "counts by network and by hashes of what was tried, gone within the hour",
        "oidc_attempts": "logins under way, by hashes of random numbers, gone within minutes",
    },
)
