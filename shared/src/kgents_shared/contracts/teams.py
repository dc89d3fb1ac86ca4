"""How the members of a team are asked: each is a tool of the team's, and an answer tells its conversation's id."""

import re
from typing import Final

from kgents_shared.contracts.agent_spec import TeamSpec
from kgents_shared.contracts.asking import MOST_QUESTION_CHARS
from kgents_shared.contracts.worker import ToolDefinition

ASK_AGENT: Final = "ask_agent"
_PREFIX: Final = "team."
_CONVERSATION: Final = re.compile(r"\n?\[conversation_id: ([0-9a-f-]{36})\]\s*\Z")


def tool_of(agent: str) -> str:
    """The tool by which a member is asked."""
    return f"{_PREFIX}{agent}"


def is_member_tool(tool: str) -> bool:
    """Whether a tool of a team's is one of its members."""
    return tool.startswith(_PREFIX)


def member_of(tool: str) -> str:
    """The member that a tool of a team's asks."""
    return tool.removeprefix(_PREFIX)


def member_tools(team: TeamSpec) -> tuple[ToolDefinition, ...]:
    """What the members are to a model."""
    return tuple(
        ToolDefinition(
            name=tool_of(member.agent),
            description=f"Ask {member.agent} and wait for the answer. {member.role}".strip(),
            input_schema={
                "type": "object",
                "properties": {
                    "message": {"type": "string", "minLength": 1, "maxLength": MOST_QUESTION_CHARS},
                    "conversation_id": {
                        "type": "string",
                        "pattern": "^[0-9a-fA-F-]{36}$",
                        "description": "From the end of an earlier answer, to go on in that conversation.",
                    },
                },
                "required": ["message"],
                "additionalProperties": False,
            },
        )
        for member in team.members
    )


def answer_and_conversation(result: str) -> tuple[str, str | None]:
    """What a member answered, and the conversation to go on in."""
    found = _CONVERSATION.search(result)
    return (result, None) if found is None else (result[: found.start()], found[1])
