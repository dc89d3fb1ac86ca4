"""What others verify our tokens with."""

from jose import jwt

from kgents_shared.auth import ALL_SCOPES
from kgents_shared.contracts.path_table import load_path_table
from tests.external.running_auth import ISSUER, RunningAuth


async def test_the_jwks_verifies_our_tokens_with_a_stock_library_and_holds_no_private_part(auth: RunningAuth):
    tokens = await auth.log_in()
    answer = await auth.client.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    assert set(answer.json()["keys"][0]) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    claims = jwt.decode(tokens["access_token"], answer.json(), algorithms=["ES256"], audience="kgents", issuer=ISSUER)
    assert claims["client_id"] == "kgents-cli"


async def test_the_metadata_names_addresses_that_the_path_table_leads_here(auth: RunningAuth):
    document = (await auth.client.get("/.well-known/oauth-authorization-server")).json()
    assert document["issuer"] == ISSUER
    for name in ("token_endpoint", "introspection_endpoint", "revocation_endpoint", "jwks_uri"):
        target = load_path_table().resolve(document[name].removeprefix(ISSUER))
        assert target is not None
        assert target.service == "auth"
    answer = await auth.client.get(document["jwks_uri"])
    assert answer.status_code == 200
    for name in ("token_endpoint", "introspection_endpoint", "revocation_endpoint"):
        assert (await auth.client.post(document[name])).json()["error"] == "invalid_request"


async def test_the_metadata_is_complete_and_says_what_is_so(auth: RunningAuth):
    document = (await auth.client.get("/.well-known/oauth-authorization-server")).json()
    assert set(document) >= {"issuer", "token_endpoint", "jwks_uri", "response_types_supported", "scopes_supported"}
    assert document["scopes_supported"] == sorted(ALL_SCOPES)
    assert document["response_types_supported"] == []
    for grant in document["grant_types_supported"]:
        answer = await auth.token(grant_type=grant)
        assert answer.json()["error"] in {"invalid_request", "invalid_client"}, grant
    assert len(document["grant_types_supported"]) == 3
    by_clients = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
    for endpoint in ("token", "introspection", "revocation"):
        methods = document[f"{endpoint}_endpoint_auth_methods_supported"]
        assert methods == by_clients + ([] if endpoint == "introspection" else ["none"])
        assert document[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] == ["ES256", "EdDSA", "RS256"]
