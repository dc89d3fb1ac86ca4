"""Whose things a caller means: an id of what they may see, a name of their own, `organisation~name`."""

from uuid import UUID

import pytest

from kgents_shared.auth import Principal, Reference, owner_of_new, owners_listed, referenced
from kgents_shared.errors import NotFound

SOME_ID = UUID("01890000-0000-7000-8000-000000000001")
ADA = Principal(
    subject="ada",
    kind="person",
    owner_id="ada",
    client_id="kgents-cli",
    scopes=frozenset(),
    roles=frozenset(),
    token_id="t",
    expires_at=0,
    organisations={"acme": "o1", "zoo": "o2"},
)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("support", Reference(frozenset({"ada"}), name="support")),
        ("acme~support", Reference(frozenset({"o1"}), name="support")),
        ("o1~support", Reference(frozenset({"o1"}), name="support")),
        (str(SOME_ID), Reference(frozenset({"ada", "o1", "o2"}), id=SOME_ID)),
        (f"zoo~{SOME_ID}", Reference(frozenset({"o2"}), id=SOME_ID)),
    ],
)
def test_a_name_is_the_callers_own_unless_an_organisation_stands_before_it(text: str, meant: Reference):
    assert referenced(ADA, text) == meant


@pytest.mark.parametrize("text", ["", "~", "acme~", "~support", "other~support", "o3~support", "a~b~c", "Up", "x" * 64])
def test_what_names_nothing_that_the_caller_could_have_is_nothing(text: str):
    assert referenced(ADA, text) is None


def test_a_new_thing_is_the_callers_or_one_of_their_organisations():
    assert owner_of_new(ADA, None) == "ada"
    assert owner_of_new(ADA, "acme") == owner_of_new(ADA, "o1") == "o1"
    for stranger in ("other", "o3", "ada", ""):
        with pytest.raises(NotFound):
            owner_of_new(ADA, stranger)


def test_a_list_shows_all_that_the_caller_may_see_or_one_organisations():
    assert owners_listed(ADA, None) == {"ada", "o1", "o2"}
    assert owners_listed(ADA, "zoo") == {"o2"}
    with pytest.raises(NotFound):
        owners_listed(ADA, "other")
