"""What of a query is looked for word by word: not the words that most English texts have."""

import re
from typing import Final

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
# Function words alone. That of other languages stay costs time where a space is very large, and no result.
_FUNCTION_WORDS: Final = """
a about after all also am an and any are as at be because been before being between both but by can could did do
does doing don't down during each few for from further had has have having he her here hers him his how i i'm if in
into is isn't it it's its itself just me more most my myself no nor not now of off on once only or other our ours out
over own same she should so some such than that that's the their theirs them then there these they this those through
to too under until up us very was we were what what's when where which while who whom why will with would you your yours
"""
_COMMON: Final = frozenset(_FUNCTION_WORDS.split())
_APOSTROPHE: Final = "\N{RIGHT SINGLE QUOTATION MARK}"


def has_words(query: str) -> bool:
    """Whether anything is asked for at all."""
    return any(char.isalnum() for char in query)


def telling_words(query: str) -> str:
    """The query without its common words; all of it where it has no others."""
    words = _WORD.findall(query.replace(_APOSTROPHE, "'"))
    telling = [word for word in words if word.lower() not in _COMMON]
    return " ".join(telling) if telling else query
