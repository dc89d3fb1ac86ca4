"""What a service is to whoever runs it."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI

from kgents_shared.http.settings import ServiceSettings

ENTRY_POINT_GROUP = "kgents.services"


@dataclass(frozen=True, slots=True)
class ServiceDefinition:
    """A service's name on the wire, its package, its schema, and how its app is made.

    The package's name is the name of its PostgreSQL role too.
    """

    name: str
    package: str
    schema: str
    settings_type: type[ServiceSettings]
    create_app: Callable[[Any], FastAPI]

    @property
    def role(self) -> str:
        """The PostgreSQL role that may read and write this service's schema, and no other."""
        return self.package

    @property
    def root(self) -> Path:
        """The folder that holds `alembic.ini`: the member's folder in a checkout, the work folder in an image."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or spec.origin is None:
            raise RuntimeError(f"{self.package} is not installed; run ./kgents once to install the workspace")
        beside_source = Path(spec.origin).resolve().parents[2]
        return beside_source if (beside_source / "alembic.ini").exists() else Path.cwd()


def installed_services() -> dict[str, ServiceDefinition]:
    """Every service that is installed here, by name."""
    found = [cast("ServiceDefinition", point.load()) for point in entry_points(group=ENTRY_POINT_GROUP)]
    return {definition.name: definition for definition in sorted(found, key=lambda row: row.name)}
