"""How many runs may be under way at once, of one person and of one conversation; how many messages in a minute."""

from collections import Counter
from collections.abc import Callable
from uuid import UUID

from agent_runtime_service.budgets.admission import ModelBudgets
from agent_runtime_service.budgets.bounds import bounds_of
from agent_runtime_service.errors import TooManyOfConversation, TooManyOfOwner
from kgents_shared.contracts.instances import InstanceRegistration

MOST_OF_CONVERSATION = 32


class Places:
    """Counts what was let in and hasn't ended, so that nobody takes the place of everybody else.

    A queued run costs a connection and asks the database for its turn again and again, so the line is short.
    """

    def __init__(
        self,
        most_of_owner: int,
        most_of_conversation: int = MOST_OF_CONVERSATION,
        budgets: ModelBudgets | None = None,
    ) -> None:
        self._budgets = budgets
        self._most_of_owner = most_of_owner
        self._most_of_conversation = most_of_conversation
        self._taken: Counter[tuple[str, UUID | None]] = Counter()

    async def count_message(self, registration: InstanceRegistration) -> None:
        """Count a message to an agent whose definition bounds them. Raises `BudgetExhausted` (`too_many_messages`)."""
        spec = registration.spec
        minute = bounds_of(registration.agent_id, spec.name, spec.limits).minute
        if minute is not None and self._budgets is not None:
            await self._budgets.take_one(minute)

    def take(self, owner_id: str, conversation_id: UUID | None) -> Callable[[], None]:
        """A place for a run, in a conversation that is going on or in a new one; what is returned gives it back.

        Raises `TooManyOfOwner`, `TooManyOfConversation`.
        """
        mine = (owner_id, None)
        if self._taken[mine] >= self._most_of_owner:
            raise TooManyOfOwner(f"You have {self._most_of_owner} runs under way, the most that one may have.")
        marks: list[tuple[str, UUID | None]] = [mine]
        if conversation_id is not None:
            # With the owner in it: whether another person's conversation is busy is not told.
            marks.append((owner_id, conversation_id))
            if self._taken[marks[1]] >= self._most_of_conversation:
                raise TooManyOfConversation("Too many messages wait in this conversation; wait for its answers.")
        self._taken.update(marks)

        def give_back() -> None:
            for mark in marks:
                self._taken[mark] -= 1
                if self._taken[mark] <= 0:
                    del self._taken[mark]

        return give_back
