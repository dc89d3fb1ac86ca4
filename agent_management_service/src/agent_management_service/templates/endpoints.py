"""`/api/v1/templates`: agents to start from."""

import asyncio
from typing import Annotated, cast

from fastapi import Depends, Query, Request

from agent_management_service.dependencies import AgentsRead
from agent_management_service.settings import ManagementSettings
from agent_management_service.templates.schemas import TemplateSummary, TemplateView, summary, view
from agent_management_service.templates.service import TemplateLibrary
from kgents_shared.contracts.agent_spec import AgentName
from kgents_shared.db import Cursor, Page, PageQuery, foreign_cursor, make_page
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/templates", tags=["templates"])


def _library(request: Request) -> TemplateLibrary:
    return TemplateLibrary(cast("ManagementSettings", request.app.state.settings).templates_dir)


Library = Annotated[TemplateLibrary, Depends(_library)]


@router.get("")
async def list_templates(
    _: AgentsRead,
    library: Library,
    page: PageQuery,
    search: Annotated[str | None, Query(max_length=200, description="words in name, description or tags")] = None,
    tag: Annotated[str | None, Query(max_length=32)] = None,
) -> Page[TemplateSummary]:
    """The templates by name."""
    found = await asyncio.to_thread(library.all, search, tag)
    after = _place(page.after)
    rows = [template for template in found if template.name > after]
    return make_page(rows, page, item=summary, key=lambda template: (template.name,))


def _place(cursor: Cursor | None) -> str:
    if cursor is None:
        return ""
    if len(cursor) != 1:
        raise foreign_cursor("leave it out to begin")
    return cursor[0]


@router.get("/{template}", responses=refusals(409))
async def get_template(
    _: AgentsRead,
    library: Library,
    template: str,
    agent_name: Annotated[AgentName | None, Query(description="the agent's name; the template's if left out")] = None,
) -> TemplateView:
    """One template with its definitions under the name that the agent is to have."""
    found = await asyncio.to_thread(library.get, template)
    return view(found, agent_name or found.name)
