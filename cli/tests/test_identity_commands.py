"""Logging in, and the commands for keys and credentials: what they ask of the API and what they keep."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from pathlib import Path

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
    says("sk-other\n")
    place = ("--provider", "openai-compatible", "--base-url", "https://llm.example/v1")
    kgents("credentials", "create", "router", "--type", "llm_provider", *place)
    assert json.loads(api.bodies("POST", "/api/v1/credentials")[1]) == {
        "name": "router", "type": "llm_provider", "secret": "sk-other",
        "provider": "openai-compatible", "base_url": "https://llm.example/v1",
    }  # fmt: skip


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
    made = {"id": "o-1", "slug": "acme", "name": "Acme Ltd", "role": "owner", "joined": True}
    invited = {"user_id": "u-2", "email": "bob@example.org", "name": "Bob", "role": "owner", "joined_at": None}
    path = "/api/v1/organisations"
    api.will("POST", path, Answer(201, made))
    api.will("POST", "/auth/refresh", Answer(200, PAIR | {"access_token": "ada-2"}))
    api.will("GET", path, Answer(200, {"items": [made, made | {"joined": False}], "next_cursor": None}))
    api.will("GET", f"{path}/acme/members", Answer(200, {"items": [invited], "next_cursor": None}))
    api.will("PUT", f"{path}/acme/members/u-2", Answer(200, invited), Answer(200, invited | {"joined_at": "now"}))
    api.will("DELETE", f"{path}/acme/members/u-2", Answer(204))
    api.will("POST", f"{path}/acme/join", Answer(200, made))
    api.will("POST", f"{path}/acme/leave", Answer(204))
    assert kgents("organisations", "create", "acme", "--name", "Acme Ltd").code == 0
    listed = kgents("organisations", "list").out.splitlines()
    assert listed[1].split() == ["acme", "Acme", "Ltd", "owner", "o-1"]
    assert listed[2].split() == ["acme", "Acme", "Ltd", "invited", "as", "owner", "o-1"]
    # What comes next is asked with a token that opens what was made.
    assert api.seen[-1].headers["authorization"] == "Bearer ada-2"
    assert kgents("organisations", "members", "acme").out.splitlines()[1].split()[0] == "u-2"
    told = kgents("organisations", "invite", "acme", "u-2", "--owner").out
    assert told == "u-2 is invited as an owner; they join with: kgents organisations join acme\n"
    assert kgents("organisations", "invite", "acme", "u-2", "--owner").out == "u-2 is an owner of acme.\n"
    assert api.bodies("PUT", f"{path}/acme/members/u-2") == ['{"role":"owner"}'] * 2
    assert kgents("organisations", "remove", "acme", "u-2").out == "u-2 is no longer in acme.\n"
    assert kgents("organisations", "join", "acme").out == "You are in acme; its agents are named acme~NAME.\n"
    assert kgents("organisations", "leave", "acme").out == "You are no longer in acme.\n"


def test_what_is_kept_of_me_is_written_down_and_incomplete_answers_are_told(kgents: Kgents, api: Api, tmp_path: Path):
    file = tmp_path / "me.jsonl"
    row = {"service": "auth", "table": "users", "row": {"email": "ada@example.org"}}
    lines = [row, {"complete": True, "missing": []}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    api.will("GET", "/api/v1/users/me/data", Answer(200, text, kind="application/x-ndjson"))
    ran = kgents("users", "export", "--out", str(file))
    assert (ran.code, ran.err) == (0, "1 row written.\n")
    assert [json.loads(line) for line in file.read_text().splitlines()] == lines
    assert kgents("users", "export", "--out", "-").out == text
    cut = json.dumps({"complete": False, "missing": ["tools"]}) + "\n"
    api.will("GET", "/api/v1/users/me/data", Answer(200, cut, kind="application/x-ndjson"))
    ran = kgents("users", "export", "--out", str(file))
    assert ran.code == 1
    assert "tools could not be had" in ran.err


def test_i_am_erased_once_my_address_is_typed(kgents: Kgents, api: Api, monkeypatch: pytest.MonkeyPatch):
    api.will("GET", "/api/v1/users/me", Answer(200, {"email": "ada@example.org"}))
    api.will("POST", "/api/v1/users/me/erasure", Answer(202, {"erasure_id": "e-1"}))
    ran = kgents("users", "erase", "--confirm", "ada@example.org")
    assert (ran.code, "e-1" in ran.out) == (0, True)
    assert json.loads(api.bodies("POST", "/api/v1/users/me/erasure")[0]) == {"confirm": "ada@example.org"}
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    unattended = kgents("users", "erase")
    assert (unattended.code, "--confirm ADDRESS" in unattended.err) == (2, True)
