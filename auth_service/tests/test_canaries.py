"""What people and machines show is in no log, no event and no answer but the one that gives it to them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from nats.js.api import DeliverPolicy

from tests.external.every_secret import every_kind_of_secret, spellings
from tests.external.running_auth import RunningAuth
from tests.external.subscriptions import all_waiting, listening

TOLD = {
    "user.logged_in",
    "user.login_failed",
    "token.refused",
    "api_key.made",
    "credential.made",
    "client.secret_rotated",
}


async def shown_wrongly(auth: RunningAuth, made: dict[str, str]) -> str:
    """Show each secret where it isn't taken: in other fields, routes, headers and queries; all that was answered."""
    client, answers = auth.client, list[str]()
    for secret in made.values():
        bodies: list[Any] = [
            {"email": secret, "password": secret, "name": secret},
            {"email": "ada@example.org", "password": {"of": secret}},
            {"email": "ada@example.org", "password": secret},
            {"refresh_token": secret, "scope": secret},
            {"token": secret, "password": "7 chars"},
            [secret],
        ]
        for body in bodies:
            for path in ("register", "login", "refresh", "password/reset/confirm", "email/verify"):
                answers.append((await client.post(f"/api/v1/auth/{path}", json=body)).text)
        broken = f'{{"password": "{secret}"'
        headers = {"content-type": "application/json"}
        answers.append((await client.post("/api/v1/auth/login", content=broken, headers=headers)).text)
        for form in (
            {"grant_type": "client_credentials", "client_id": "runtime", "client_secret": secret, "audience": secret},
            {"grant_type": "refresh_token", "refresh_token": secret, "scope": secret},
            {"grant_type": secret},
        ):
            answers.append((await auth.token(**form)).text)
        bearer = {"Authorization": f"Bearer {secret}".encode("ascii", "replace").decode()}
        asked = await client.get("/api/v1/users/me/api-keys", headers=bearer, params={"cursor": secret})
        answers.append(asked.text)
    return "\n".join(answers)


async def test_no_secret_is_in_a_log_an_event_or_another_answer(auth: RunningAuth, capfd: pytest.CaptureFixture[str]):
    jetstream = await auth.app.state.event_bus.jetstream()
    subscription = await listening(jetstream, "kgents.identity.>", DeliverPolicy.NEW)
    walk = await every_kind_of_secret(auth)
    answered = await shown_wrongly(auth, walk.made)
    # The session has ended: its used refresh token was among what was shown.
    again = await auth.log_in(walk.address, walk.made["password"])
    headers = {"Authorization": f"Bearer {again['access_token']}"}
    for path in ("users/me", "users/me/api-keys", "auth/clients", "credentials", "cp/exchange-setup"):
        answered += (await auth.client.get(f"/api/v1/{path}", headers=headers)).text
    await auth.client.post("/api/v1/auth/logout", json={}, headers=headers)
    await auth.parts.failures.tell_now()
    await auth.all_is_sent()
    told: dict[str, str] = {}
    for message in await all_waiting(subscription):
        told[message.subject] = told.get(message.subject, "") + message.data.decode()
    assert {subject.partition("identity.")[2] for subject in told} >= TOLD
    captured = capfd.readouterr()
    seen = {"the log": captured.out + captured.err, "an event": json.dumps(told), "an answer": answered}
    assert "limit_reached" in seen["the log"]
    found = {
        f"{what}, {how}, in {place}"
        for what, secret in walk.made.items()
        for how, form in spellings(secret).items()
        for place, text in seen.items()
        if form in text
    }
    assert found == set()
    assert walk.address not in seen["the log"]
    assert walk.address not in seen["an event"]
