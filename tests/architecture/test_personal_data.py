"""Every table of every service is declared: what it says of whom, and what becomes of it when they are erased."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData

from kgents_shared.http.service import installed_services
from kgents_shared.personal_data import PersonalData

SERVICES = installed_services()
PLACES = {"auth": "auth_service.personal_data.tables"}


def declared(name: str) -> PersonalData:
    package = SERVICES[name].package
    return importlib.import_module(PLACES.get(name, f"{package}.personal_data")).PERSONAL_DATA


def metadata_of(name: str) -> MetaData:
    """The tables of all models of a service."""
    package = SERVICES[name].package
    folder = Path(str(inspect.getfile(importlib.import_module(package)))).parent
    found: dict[int, MetaData] = {}
    for file in sorted(folder.glob("**/models.py")):
        module = importlib.import_module(".".join([package, *file.relative_to(folder).with_suffix("").parts]))
        for _, model in inspect.getmembers(module, inspect.isclass):
            metadata: Any = getattr(model, "metadata", None)
            if isinstance(metadata, MetaData) and metadata.schema == SERVICES[name].schema:
                found[id(metadata)] = metadata
    (metadata,) = found.values()
    return metadata


@pytest.mark.parametrize("name", SERVICES)
def test_every_table_is_declared_as_somebodys_or_nobodys(name: str):
    data = declared(name)
    tables = {table.name for table in metadata_of(name).tables.values()}
    personal = {table.name for table in data.tables}
    assert data.schema == SERVICES[name].schema
    assert tables == personal | data.impersonal.keys()
    assert not personal & data.impersonal.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_no_hash_cipher_or_secret_is_given_out(name: str):
    tables = {table.name: table for table in metadata_of(name).tables.values()}
    for personal in declared(name).tables:
        assert set(personal.hidden) <= set(tables[personal.name].columns.keys())
        secret = {
            column
            for column in (each.name for each in tables[personal.name].columns)
            if column.endswith(("secret_hash", "token_hash", "key_hash", "password_hash", "ciphertext", "wrapped_key"))
        }
        assert secret <= set(personal.hidden)
