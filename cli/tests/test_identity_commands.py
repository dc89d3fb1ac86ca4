"""Logging in, and the commands for keys and credentials: what they ask of the API and what they keep."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kgents_cli.home import Home
from kgents_cli.session import Session, keep_session, read_session

from .conftest import Answer, Api, Kgents

Says = Callable[[str], None]
PAIR = {"access_token": "ada-1", "refresh_token": "kgr_1", "token_type": "Bearer", "expires_in": 900}
ME = {"id": "u-1", "email": "ada@example.org", "name": "Ada", "roles": ["developer"], "scopes": ["agents:read"]}
KEY = {
    "id": "k-1", "name": "ci", "scopes": ["agents:read"], "expires_at": "2027-01-01T10:00:00Z", "last_used_at": None,
}  # fmt: skip
CREDENTIAL = {
    "credential_ref": "cred_1", "name": "openai", "type": "llm_provider", "created_at": "2026-11-21T10:00:00Z",
}  # fmt: skip


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Says:
    """What comes in on standard input."""

    def put(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

    return put


def logged_in(home: Home, api: Api, *, expires_in: float = 900) -> Session:
    session = Session(api.url, "ada@example.org", "ada-1", "kgr_1", time.time() + expires_in)
    keep_session(home, session)
    return session


def test_after_login_every_command_acts_as_the_person(kgents: Kgents, api: Api, home: Home, says: Says):
    says("correct horse\n")
    api.will("POST", "/auth/login", Answer(200, PAIR))
    api.will("GET", "/api/v1/users/me", Answer(200, ME))
    assert kgents("login", "--email", "ada@example.org").code == 0
    assert api.bodies("POST", "/auth/login") == ['{"email":"ada@example.org","password":"correct horse"}']
    assert home.session_file.stat().st_mode & 0o777 == 0o600
    ran = kgents("whoami")
    assert ran.out.splitlines() == [
        f"ada@example.org (Ada) at {api.url}", "id      u-1", "roles   developer", "scopes  agents:read"
    ]  # fmt: skip
    assert api.seen[-1].headers["authorization"] == "Bearer ada-1"


def test_a_login_that_is_refused_keeps_nothing(kgents: Kgents, api: Api, home: Home, says: Says):
    says("wrong")
    api.will("POST", "/auth/login", Answer(401, {"detail": "The address or the password is wrong.", "code": "x"}))
    ran = kgents("login", "--email", "ada@example.org")
    assert (ran.code, "password is wrong" in ran.err) == (1, True)
    assert read_session(home) is None


def test_login_without_a_password_or_an_address_says_what_is_missing(kgents: Kgents, api: Api, says: Says):
    says("")
    assert "no password came in" in kgents("login", "--email", "ada@example.org").err
    assert "kgents login --email ADDRESS" in kgents("login").err
    assert kgents("login", "--url", "nowhere", "--email", "a@b.c").code == 2
    assert api.seen == []


def test_a_session_that_is_about_to_end_is_refreshed_and_kept(kgents: Kgents, api: Api, home: Home):
    logged_in(home, api, expires_in=10)
    api.will("POST", "/auth/refresh", Answer(200, PAIR | {"access_token": "ada-2", "refresh_token": "kgr_2"}))
    assert kgents("token").out == "ada-2\n"
    kept = read_session(home)
    assert kept is not None
    assert (kept.access_token, kept.refresh_token) == ("ada-2", "kgr_2")


def test_a_session_that_is_over_says_how_to_begin_another(kgents: Kgents, api: Api, home: Home):
    logged_in(home, api, expires_in=10)
    api.will("POST", "/auth/refresh", Answer(401, {"detail": "not valid", "code": "invalid_refresh_token"}))
    ran = kgents("token")
    assert ran.code == 1
    assert "the session of ada@example.org is over" in ran.err
    assert "kgents login" in ran.err


def test_another_servers_session_is_not_sent_here(kgents: Kgents, api: Api, home: Home):
    keep_session(home, Session("http://127.0.0.1:9", "ada@example.org", "secret", "kgr_1", time.time() + 900))
    assert kgents("token").out == "token-1\n"
    assert all("secret" not in str(seen.headers) for seen in api.seen)


def test_logout_ends_the_session_here_and_there(kgents: Kgents, api: Api, home: Home):
    logged_in(home, api)
    api.will("POST", "/api/v1/auth/logout", Answer(204))
    assert "is logged out" in kgents("logout").out
    assert json.loads(api.bodies("POST", "/api/v1/auth/logout")[0]) == {"refresh_token": "kgr_1"}
    assert read_session(home) is None
    assert kgents("logout").out == "Nobody is logged in.\n"


def test_logout_forgets_the_session_where_the_server_is_away(kgents: Kgents, api: Api, home: Home):
    del api
    keep_session(home, Session("http://127.0.0.1:9", "ada@example.org", "a", "kgr_1", time.time() + 900))
    ran = kgents("logout")
    assert (ran.code, "was not told" in ran.err) == (0, True)
    assert read_session(home) is None


def test_a_key_is_printed_alone_so_that_it_can_be_sent_on(kgents: Kgents, api: Api):
    api.will("POST", "/api/v1/users/me/api-keys", Answer(201, KEY | {"key": "kg_abc"}))
    ran = kgents("keys", "create", "ci", "--scope", "agents:read", "--days", "7")
    assert ran.out == "kg_abc\n"
    assert json.loads(api.bodies("POST", "/api/v1/users/me/api-keys")[0]) == {
        "name": "ci", "scopes": ["agents:read"], "expires_in_days": 7,
    }  # fmt: skip


def test_keys_are_listed_and_deleted(kgents: Kgents, api: Api):
    api.will("GET", "/api/v1/users/me/api-keys", Answer(200, {"items": [KEY], "next_cursor": None}))
    api.will("DELETE", "/api/v1/users/me/api-keys/k-1", Answer(204))
    head, row = kgents("keys", "list").out.splitlines()
    assert head.split() == ["ID", "NAME", "EXPIRES", "LAST", "USED", "SCOPES"]
    assert row.split() == ["k-1", "ci", "2027-01-01", "10:00", "-", "agents:read"]
    assert kgents("keys", "list", "--json").json == [KEY]
    assert kgents("keys", "delete", "k-1").out == "k-1 is deleted.\n"


def test_a_secret_comes_from_standard_input_and_only_its_reference_goes_out(kgents: Kgents, api: Api, says: Says):
    says("sk-canary\n")
    api.will("POST", "/api/v1/credentials", Answer(201, CREDENTIAL))
    ran = kgents("credentials", "create", "openai", "--type", "llm_provider")
    assert (ran.out, ran.err) == ("cred_1\n", "")
    assert json.loads(api.bodies("POST", "/api/v1/credentials")[0])["secret"] == "sk-canary"


def test_no_command_takes_a_secret_as_an_argument(kgents: Kgents, api: Api):
    ran = kgents("credentials", "create", "openai", "sk-canary", "--type", "generic")
    assert ran.code == 2
    assert api.bodies("POST", "/api/v1/credentials") == []


def test_credentials_are_listed_rotated_and_deleted(kgents: Kgents, api: Api, says: Says):
    api.will("GET", "/api/v1/credentials", Answer(200, {"items": [CREDENTIAL], "next_cursor": None}))
    api.will("POST", "/api/v1/credentials/cred_1/rotate", Answer(200, CREDENTIAL))
    api.will("DELETE", "/api/v1/credentials/cred_1", Answer(204))
    assert kgents("credentials", "list").out.splitlines()[1].split()[:2] == ["cred_1", "llm_provider"]
    says("other")
    assert "has another secret" in kgents("credentials", "rotate", "cred_1").out
    says("")
    assert "--yes" in kgents("credentials", "delete", "cred_1").err
    assert kgents("credentials", "delete", "cred_1", "--yes").out == "cred_1 is deleted.\n"


PERSON = {
    "id": "u-1", "email": "ada@example.org", "name": "Ada", "roles": ["viewer"], "disabled": False,
    "created_at": "2026-11-21T10:00:00Z",
}  # fmt: skip


def test_people_are_listed_made_and_disabled_by_their_address(kgents: Kgents, api: Api, says: Says):
    api.will("GET", "/api/v1/admin/users", Answer(200, {"items": [PERSON], "next_cursor": None}))
    api.will("POST", "/api/v1/admin/users", Answer(201, PERSON))
    api.will("PATCH", "/api/v1/admin/users/u-1", Answer(200, PERSON))
    assert kgents("users", "list").out.splitlines()[1].split()[1:3] == ["ada@example.org", "enabled"]
    says("correct horse")
    assert "can log in" in kgents("users", "create", "ada@example.org", "--name", "Ada").out
    assert json.loads(api.bodies("POST", "/api/v1/admin/users")[0])["password"] == "correct horse"
    assert kgents("users", "disable", "ada@example.org").out == "ada@example.org is disabled.\n"
    assert kgents("users", "enable", "u-1").code == 0
    assert api.bodies("PATCH", "/api/v1/admin/users/u-1") == ['{"disabled":true}', '{"disabled":false}']


def test_an_address_that_nobody_has_is_told(kgents: Kgents, api: Api):
    api.will("GET", "/api/v1/admin/users", Answer(200, {"items": [], "next_cursor": None}))
    ran = kgents("users", "disable", "nobody@example.org")
    assert (ran.code, "nobody has the address" in ran.err) == (2, True)


def test_roles_are_made_given_and_taken(kgents: Kgents, api: Api):
    role = {"name": "auditor", "description": "", "permissions": ["agents:read"], "seeded": False}
    api.will("GET", "/api/v1/admin/roles", Answer(200, {"items": [role], "next_cursor": None}))
    api.will("POST", "/api/v1/admin/roles", Answer(201, role))
    api.will("POST", "/api/v1/admin/assignments", Answer(201, {}))
    api.will("DELETE", "/api/v1/admin/assignments", Answer(204))
    api.will("DELETE", "/api/v1/admin/roles/auditor", Answer(204))
    assert kgents("roles", "list").out.splitlines()[1].split() == ["auditor", "you", "agents:read"]
    assert kgents("roles", "create", "auditor", "--permission", "agents:read").code == 0
    assert kgents("roles", "grant", "auditor", "u-1").out == "u-1 has the role auditor.\n"
    assert json.loads(api.bodies("POST", "/api/v1/admin/assignments")[0]) == {"role": "auditor", "user_id": "u-1"}
    assert kgents("roles", "revoke", "auditor", "u-1").code == 0
    assert api.seen[-1].path.endswith("/assignments?role=auditor&user_id=u-1")
    assert kgents("roles", "delete", "auditor").code == 0


def test_organisations_are_made_and_peopled(kgents: Kgents, api: Api, home: Home):
    logged_in(home, api)
    made = {"id": "o-1", "slug": "acme", "name": "Acme Ltd", "role": "owner"}
    member = {"user_id": "u-2", "email": "bob@example.org", "name": "Bob", "role": "member"}
    api.will("POST", "/api/v1/organisations", Answer(201, made))
    api.will("POST", "/auth/refresh", Answer(200, PAIR | {"access_token": "ada-2"}))
    api.will("GET", "/api/v1/organisations", Answer(200, {"items": [made], "next_cursor": None}))
    api.will("GET", "/api/v1/organisations/acme/members", Answer(200, {"items": [member], "next_cursor": None}))
    api.will("PUT", "/api/v1/organisations/acme/members/u-2", Answer(200, member))
    api.will("DELETE", "/api/v1/organisations/acme/members/u-2", Answer(204))
    assert kgents("organisations", "create", "acme", "--name", "Acme Ltd").code == 0
    assert kgents("organisations", "list").out.splitlines()[1].split() == ["acme", "Acme", "Ltd", "owner", "o-1"]
    # What comes next is asked with a token that opens what was made.
    assert api.seen[-1].headers["authorization"] == "Bearer ada-2"
    assert kgents("organisations", "members", "acme").out.splitlines()[1].split()[0] == "u-2"
    added = kgents("organisations", "add", "acme", "u-2", "--owner").out
    assert added == "u-2 is an owner of acme, from their next token on.\n"
    assert api.bodies("PUT", "/api/v1/organisations/acme/members/u-2") == ['{"role":"owner"}']
    assert kgents("organisations", "remove", "acme", "u-2").out == "u-2 is no longer in acme.\n"


CLIENT: dict[str, Any] = {
    "client_id": "app_1", "name": "nightly", "owner": "u-1", "scopes": ["agents:read"], "roles": [], "disabled": False,
    "may_exchange": True, "created_at": "2026-11-21T10:00:00Z", "jwks": None,
    "secrets": [{"id": "s-2", "created_at": "2026-11-21T10:00:00Z", "expires_at": None},
                {"id": "s-1", "created_at": "2026-11-21T10:00:00Z", "expires_at": "2026-11-22T10:00:00Z"}],
}  # fmt: skip
KEYS = {"keys": [{"kty": "EC", "crv": "P-256", "kid": "first"}, {"kty": "RSA"}]}
SIGNER = CLIENT | {"secrets": [], "jwks": KEYS}
CLIENTS = "/api/v1/auth/clients"


def test_an_applications_secret_is_printed_alone_and_this_once(kgents: Kgents, api: Api):
    api.will("POST", CLIENTS, Answer(201, CLIENT | {"client_secret": "kgs_abc"}))
    api.will("POST", f"{CLIENTS}/app_1/secrets", Answer(201, CLIENT["secrets"][0] | {"client_secret": "kgs_def"}))
    made = kgents("clients", "create", "nightly", "--scope", "agents:read")
    assert (made.out, "app_1" in made.err) == ("kgs_abc\n", True)
    assert json.loads(api.bodies("POST", CLIENTS)[0]) == {"name": "nightly", "scopes": ["agents:read"]}
    assert kgents("clients", "rotate", "app_1", "--overlap", "60").out == "kgs_def\n"
    assert kgents("clients", "rotate", "app_1", "--json").json["client_secret"] == "kgs_def"
    assert api.bodies("POST", f"{CLIENTS}/app_1/secrets") == ['{"overlap":60}', '{"overlap":86400}']
    assert kgents("clients", "rotate", "app_1", "--overlap", "-1").code == 2


def test_an_application_that_signs_has_no_secret_to_print(kgents: Kgents, api: Api, tmp_path: Path):
    api.will("POST", CLIENTS, Answer(201, SIGNER | {"client_secret": None}))
    file = tmp_path / "keys.json"
    file.write_text('{"keys": [{"kty": "EC"}]}')
    assert kgents("clients", "create", "signer", "--jwks", str(file)).out == "app_1\n"
    assert json.loads(api.bodies("POST", CLIENTS)[0])["jwks"] == {"keys": [{"kty": "EC"}]}
    file.write_text("no keys")
    assert "are no JSON" in kgents("clients", "create", "signer", "--jwks", str(file)).err
    assert kgents("clients", "create", "signer", "--jwks", str(tmp_path / "nothing")).code == 2


def test_applications_are_listed_shown_and_deleted(kgents: Kgents, api: Api):
    api.will("GET", CLIENTS, Answer(200, {"items": [CLIENT], "next_cursor": None}))
    api.will("GET", "/api/v1/admin/clients", Answer(200, {"items": [SIGNER | {"kind": "app"}], "next_cursor": None}))
    api.will("GET", f"{CLIENTS}/app_1", Answer(200, CLIENT))
    api.will("GET", f"{CLIENTS}/app_2", Answer(200, SIGNER))
    api.will("DELETE", f"{CLIENTS}/app_1", Answer(204))
    api.will("DELETE", f"{CLIENTS}/app_1/secrets/s-1", Answer(204))
    row = kgents("clients", "list").out.splitlines()[1]
    assert row.split() == [
        "app_1",
        "nightly",
        "2026-11-21",
        "10:00",
        "enabled,",
        "acts",
        "for",
        "people",
        "agents:read",
    ]
    assert kgents("clients", "list", "--all", "--json").json[0]["kind"] == "app"
    shown = kgents("clients", "show", "app_1").out
    assert "secret     s-2, goes on\nsecret     s-1, until 2026-11-22 10:00\n" in shown
    assert "signs with P-256 first, RSA\n" in kgents("clients", "show", "app_2").out
    assert kgents("clients", "show", "app_1", "--json").json == CLIENT
    assert kgents("clients", "delete", "app_1", "--secret", "s-1").out == "s-1 is deleted.\n"
    assert kgents("clients", "delete", "app_1").out == "app_1 is deleted.\n"
