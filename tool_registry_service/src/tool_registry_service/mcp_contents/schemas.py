"""What goes over the wire for resources and prompts. All of it is a stranger's text."""

from typing import Annotated

from pydantic import Field

from kgents_shared.contracts.agent_spec import Text
from kgents_shared.contracts.model import Contract


class ResourceView(Contract):
    """A resource that a server offers, by its URI; `uri_template` where it is many (RFC 6570)."""

    uri: str | None
    uri_template: str | None
    name: str
    title: str | None
    description: str | None
    mime_type: str | None
    size: int | None


class Resources(Contract):
    """What a server offers now. `more`: it offers more than is read."""

    items: list[ResourceView]
    more: bool


class ResourcePart(Contract):
    """A part of a resource: text, or bytes in base64."""

    uri: str
    mime_type: str | None
    text: str | None
    blob: str | None


class ResourceContents(Contract):
    """What is in a resource."""

    parts: list[ResourcePart]


class PromptArgument(Contract):
    """What a prompt is filled with."""

    name: str
    description: str | None
    required: bool


class PromptView(Contract):
    """A prompt that a server offers."""

    name: str
    title: str | None
    description: str | None
    arguments: list[PromptArgument]


class Prompts(Contract):
    """What a server offers now. `more`: it offers more than is read."""

    items: list[PromptView]
    more: bool


class PromptFilling(Contract):
    """Body of `POST /mcp-servers/{id}/prompts/fill`."""

    name: Annotated[Text, Field(min_length=1, max_length=500)]
    arguments: Annotated[dict[Text, Text], Field(max_length=100)] = Field(default_factory=dict[str, str])


class PromptMessage(Contract):
    """One message of a filled prompt. What isn't text is named, not carried."""

    role: str
    text: str


class FilledPrompt(Contract):
    """A prompt with its arguments put in."""

    description: str | None
    messages: list[PromptMessage]
