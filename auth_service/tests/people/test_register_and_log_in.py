"""Registering and logging in over HTTP."""

from tests.external.running_auth import RunningAuth


async def test_a_registered_person_logs_in_and_gets_a_token_pair_that_no_cache_keeps(auth: RunningAuth):
    email = await auth.register()
    answer = await auth.client.post("/api/v1/auth/login", json={"email": email, "password": "four words nobody joins"})
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["expires_in"] == 900
    assert answer.headers["cache-control"] == "no-store"
