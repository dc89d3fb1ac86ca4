"""What others verify our tokens with."""

from jose import jwt

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
    for name in ("token_endpoint", "jwks_uri"):
        target = load_path_table().resolve(document[name].removeprefix(ISSUER))
        assert target is not None
        assert target.service == "auth"
    answer = await auth.client.get(document["jwks_uri"])
    assert answer.status_code == 200
    assert (await auth.client.post(document["token_endpoint"])).json()["error"] == "invalid_request"
