"""Why a run can't go on, in the terms that its caller is told."""


class RunFailed(Exception):
    """Ends the run with a `FailedEvent`. `status` is the HTTP status that a waiting caller gets.

    `again` says that the same model call may be tried once more: nothing of it was acted upon.
    """

    def __init__(self, code: str, detail: str, *, status: int = 502, again: bool = False) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status
        self.again = again
