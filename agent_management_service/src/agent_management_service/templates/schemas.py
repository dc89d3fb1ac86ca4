"""What the templates' API answers."""

from pydantic import BaseModel

from agent_management_service.templates.loading import Source, Template


class TemplateAbout(BaseModel):
    """What is said of a template. `source` says whether it is built in or from the operator's directory."""

    name: str
    version: str
    author: str
    description: str
    tags: list[str]
    needs_kgents: str
    source: Source


class TemplateSummary(TemplateAbout):
    """A template in a list. `source` says whether it is built in or from the operator's directory."""

    agents: int


class NamedDefinition(BaseModel):
    """One agent of a template: its definition and its scenarios as TOML texts."""

    name: str
    definition: str
    scenarios: str


class TemplateView(TemplateAbout):
    """A template whole. `agents` are ready for `POST /agents`, the main one first."""

    usage: str
    agents: list[NamedDefinition]


def summary(template: Template) -> TemplateSummary:
    """A template as a list shows it."""
    metadata = template.metadata.model_dump(exclude={"usage"})
    return TemplateSummary(name=template.name, source=template.source, agents=len(template.agents), **metadata)


def view(template: Template, agent_name: str) -> TemplateView:
    """A template for an agent of that name."""
    agents = [
        NamedDefinition(name=name, definition=agent.definition, scenarios=agent.scenarios)
        for name, agent in template.agents_named(agent_name).items()
    ]
    return TemplateView(name=template.name, source=template.source, agents=agents, **template.metadata.model_dump())
