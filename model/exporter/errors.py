"""The failures that the build log shows without a traceback."""


class ExportError(Exception):
    """The folder or its model cannot be exported; the message says what is wrong and what to do.

    The message is one line, whatever other libraries' messages are part of it: it is the last of the build's log.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class ConversionError(ExportError):
    """The model has no form in ONNX. Another way to serve it may be open."""
