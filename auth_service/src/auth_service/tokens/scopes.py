"""Narrowing: a caller may ask for less than it could have (RFC 6749 §3.3)."""


class ScopeNotGranted(Exception):
    """What was asked for is more than what there is; `excess` names it."""

    def __init__(self, excess: frozenset[str]) -> None:
        super().__init__(" ".join(sorted(excess)))
        self.excess = excess


def narrowed(available: frozenset[str], asked: str | None) -> frozenset[str]:
    """The scopes of `asked` (space-separated), all of `available` for None; raises `ScopeNotGranted`."""
    if asked is None:
        return available
    wanted = frozenset(asked.split())
    if not wanted <= available or not wanted:
        raise ScopeNotGranted(wanted - available)
    return wanted
