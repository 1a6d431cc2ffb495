"""The one kind of failure that the build log shows without a traceback."""


class ExportError(Exception):
    """The folder or its model cannot be exported; the message says what is wrong and what to do."""
