"""Which providers of models the platform itself can ask, as services tell one another."""

from kgents_shared.contracts.model import Contract


class KnownProviders(Contract):
    """The answer of `GET /internal/providers`: where the operator has an account, and the built-in echo."""

    providers: tuple[str, ...]
