"""The one kind of failure that the bootstrap reports."""


class BootstrapError(Exception):
    """The install can't go on; the text is one sentence that also says what to do."""
