"""Which environment variables a service reads."""

from __future__ import annotations

from infrastructure.env_example import service_settings
from kgents_shared.http.service import ServiceDefinition, installed_services

SERVICES = installed_services()


def known_variables(definition: ServiceDefinition) -> set[str]:
    """Every name, the runtime's aliases among them."""
    aliases = {"OPENAI_MODEL"} if definition.name == "runtime" else set[str]()
    return {name for name, _ in service_settings(definition.settings_type)} | aliases


def required_variables(definition: ServiceDefinition) -> set[str]:
    """Those without which it does not start."""
    return {name for name, default in service_settings(definition.settings_type) if "(required)" in default}


def image_of(definition: ServiceDefinition) -> str:
    """The image that a service's Dockerfile says to build."""
    return f"kgents/{definition.package.replace('_', '-')}"
