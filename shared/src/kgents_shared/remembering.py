"""What is remembered of a conversation beside its messages, in the words that a model is shown."""

from typing import Final

from kgents_shared.contracts.worker import Remembered
from kgents_shared.token_counting import tokens_of_text

FACTS_SHARE: Final = 4  # a quarter of the window is the most that pinned facts take


def told_of(remembered: Remembered, most_fact_tokens: int) -> str:
    """Nothing where nothing is remembered; of the facts the newest that fit."""
    parts: list[str] = []
    left = most_fact_tokens
    facts: list[str] = []
    for fact in reversed(remembered.facts):  # the newest of them have the room
        line = f"- {fact.key}: {fact.text}"
        left -= tokens_of_text(line)
        if left < 0:
            break
        facts.append(line)
    if facts:
        parts.append("The user has pinned these facts:\n" + "\n".join(reversed(facts)))
    if remembered.elsewhere:
        others = "\n".join(f"- with {other.agent}: {other.summary}" for other in remembered.elsewhere)
        parts.append(f"In other conversations of this user:\n{others}")
    if remembered.summary is not None:
        parts.append(f"What was said earlier in this conversation, in short:\n{remembered.summary}")
    if remembered.gap:
        parts.append("Some earlier messages of this conversation are neither shown nor summarised.")
    return "\n".join(["<remembered>", *parts, "</remembered>"]) if parts else ""
