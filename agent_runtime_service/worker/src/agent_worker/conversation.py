"""What of a conversation the model is shown: its messages, and what is remembered of those that are shown no longer."""

from collections.abc import Iterable

from kgents_shared.contracts.worker import Message, Remembered
from kgents_shared.remembering import told_of
from kgents_shared.token_counting import tokens_of, tokens_of_text

_STUB_CHARS = 200
_BYTES_PER_TOKEN = 4


class Conversation:
    """Messages with their sizes in tokens (`token_counting`), the newest question and what follows it always there.

    `tokens` is the size of all that is shown.
    """

    def __init__(self, messages: Iterable[Message], remembered: Remembered | None, most_fact_tokens: int) -> None:
        self._messages = list(messages)
        self._sizes = [tokens_of(message) for message in self._messages]
        self._remembered = remembered or Remembered()
        self._most_fact_tokens = most_fact_tokens
        self._head = told_of(self._remembered, most_fact_tokens) if remembered is not None else ""
        self._head_tokens = tokens_of_text(self._head)
        self.tokens = self._head_tokens + sum(self._sizes)

    @property
    def summary(self) -> str | None:
        """Of what came before the first message."""
        return self._remembered.summary

    @property
    def question_tokens(self) -> int:
        """The least that has to be shown: the newest question, and what is pinned."""
        pinned = self._remembered.model_copy(update={"summary": None, "gap": False, "elsewhere": ()})
        return tokens_of_text(told_of(pinned, self._most_fact_tokens)) + self._sizes[self._question()]

    def add(self, message: Message) -> None:
        """Take a message in."""
        self._messages.append(message)
        self._sizes.append(tokens_of(message))
        self.tokens += self._sizes[-1]

    def shown(self) -> list[Message]:
        """The messages; what is remembered stands before the text of the first one.

        Not in a message of its own: some servers want user and assistant to take turns. And not in the system's: it is
        made of what users say, who have no say there.
        """
        if not self._head or not self._messages:
            return self._messages
        first = self._messages[0]
        return [first.model_copy(update={"text": f"{self._head}\n\n{first.text}"}), *self._messages[1:]]

    def first_that_fits(self, tokens: int) -> int:
        """The place of the oldest question from which on everything fits; of the newest question if nothing does.

        A conversation is cut before a question only, so that calls of tools and their results never part.
        """
        found = question = self._question()
        size = sum(self._sizes[question:])
        for place in range(question - 1, -1, -1):
            size += self._sizes[place]
            if size > tokens:
                break
            if self._messages[place].role == "user":
                found = place
        return found

    def before(self, place: int) -> list[Message]:
        """The messages before that place."""
        return self._messages[:place]

    def forget(self, place: int, summary: str | None) -> None:
        """Show the messages before `place` no longer, but the summary of them and of all before, if there is one."""
        del self._messages[:place], self._sizes[:place]
        changes = {"summary": summary, "gap": False} if summary is not None else {"gap": True}
        self._remembered = self._remembered.model_copy(update=changes)
        self._look_again()

    def forget_elsewhere(self) -> None:
        """Leave out what was said in other conversations."""
        self._remembered = self._remembered.model_copy(update={"elsewhere": ()})
        self._look_again()

    def forget_summary(self) -> None:
        """Leave the summary out."""
        self._remembered = self._remembered.model_copy(update={"summary": None, "gap": True})
        self._look_again()

    def shorten_results(self, tokens: int) -> int:
        """Show of the results of tools, the oldest first, only the beginning, until everything fits; how many it took.

        The calls stay: a model that doesn't see what it did does it again.
        """
        shortened = 0
        for place in range(self._question() + 1, len(self._messages)):
            if self.tokens <= tokens:
                break
            message = self._messages[place]
            if message.role != "tool" or len(message.text) <= _STUB_CHARS:
                continue
            keep = max(_STUB_CHARS, (self._sizes[place] - (self.tokens - tokens)) * _BYTES_PER_TOKEN - _STUB_CHARS)
            left_out = len(message.text) - keep
            if left_out <= 0:
                continue
            text = f"{message.text[:keep]}\n[{left_out} more characters of this result are not shown any more]"
            self._messages[place] = message.model_copy(update={"text": text})
            self._sizes[place] = tokens_of(self._messages[place])
            self._look_again()
            shortened += 1
        return shortened

    def _question(self) -> int:
        places = range(len(self._messages) - 1, -1, -1)
        return next((place for place in places if self._messages[place].role == "user"), 0)

    def _look_again(self) -> None:
        self._head = told_of(self._remembered, self._most_fact_tokens)
        self._head_tokens = tokens_of_text(self._head)
        self.tokens = self._head_tokens + sum(self._sizes)
