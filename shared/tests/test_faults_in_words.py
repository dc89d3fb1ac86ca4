"""Faults of fields that many services take, as people read them."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import pytest
from annotated_types import Len
from pydantic import AwareDatetime, BeforeValidator, StringConstraints, TypeAdapter, ValidationError

from kgents_shared.contracts.agent_spec import AgentName, Money, RemoteUrl, ToolGrant, ToolPattern
from kgents_shared.contracts.credentials import CREDENTIAL_REF
from kgents_shared.contracts.memories import MemoryKey
from kgents_shared.errors.validation import faults_of

Code = Annotated[str, StringConstraints(pattern=r"^[a-f]$")]
Trimmed = Annotated[str, BeforeValidator(str.strip), Len(1)]
Credential = Annotated[str, StringConstraints(pattern=CREDENTIAL_REF)]


@pytest.mark.parametrize(
    ("kind", "given", "msg", "hint"),
    [
        (AgentName, "No Name", "is not written as it has to be", 'take 1 to 63 of a-z, 0-9 and "-"'),
        (ToolPattern, "a b", "is not written as it has to be", 'name a tool as "server.tool"'),
        (ToolGrant, "", "is not written as it has to be", "or capability:NAME"),
        (Credential, "foo", "is not written as it has to be", "kgents credentials list"),
        (Code, "z", "is not written as it has to be", "it must match ^[a-f]$"),
        (UUID, "nope", "is no id", "copy it whole"),
        (date, "tomorrow", "is no day", "write it as 2026-01-31"),
        (Trimmed, " ", "is too short", "write 1 or more characters"),
        (Money, "cheap", "is not written as it has to be", 'write an amount such as "2.50"'),
        (RemoteUrl, "ftp://x", "is not written as it has to be", "write an address such as https://"),
        (MemoryKey, "a b", "is not written as it has to be", "as in favourite_tea"),
        (datetime, "yesterday", "is no time", "write it as 2026-01-31T12:00:00Z"),
        (AwareDatetime, "2026-01-31T12:00:00", "says no time zone", "write it as 2026-01-31T12:00:00Z"),
    ],
    ids=[
        "slug",
        "pattern",
        "grant",
        "credential",
        "any pattern",
        "id",
        "day",
        "text",
        "money",
        "address",
        "key",
        "time",
        "time without a zone",
    ],
)
def test_a_text_that_does_not_fit_is_told_in_words(kind: Any, given: str, msg: str, hint: str):
    with pytest.raises(ValidationError) as caught:
        TypeAdapter[Any](kind).validate_python(given)
    [fault] = faults_of(caught.value.errors())
    assert fault.msg == msg
    assert hint in (fault.hint or "")
