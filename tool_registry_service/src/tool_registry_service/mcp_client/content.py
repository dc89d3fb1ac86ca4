"""An MCP tool result as the text that a model reads."""

import json

from mcp import types

from tool_registry_service.calls import ToolAnswer


def answer_of(result: types.CallToolResult) -> ToolAnswer:
    """Every text block in order; what isn't text is named, not carried. Structured content stands in for no block."""
    blocks = [text_of(block) for block in result.content]
    if not blocks and result.structuredContent is not None:
        blocks = [json.dumps(result.structuredContent, ensure_ascii=False)]
    return ToolAnswer(storable("\n".join(blocks)), bool(result.isError), result.structuredContent)


def text_of(block: types.ContentBlock) -> str:
    """What a model reads of a block."""
    if isinstance(block, types.TextContent):
        return block.text
    if isinstance(block, types.ImageContent | types.AudioContent):
        return f"[{block.type}, {block.mimeType}, {len(block.data)} characters of base64: not shown]"
    if isinstance(block, types.ResourceLink):
        return f"[link to {block.name}: {block.uri}]"
    resource = block.resource
    if isinstance(resource, types.TextResourceContents):
        return resource.text
    return f"[resource {resource.uri}, {resource.mimeType}: not shown]"


def storable(text: str) -> str:
    """`text` without what PostgreSQL and UTF-8 can't hold: NUL and lone surrogates."""
    return text.replace("\x00", "�").encode("utf-8", "replace").decode("utf-8")
