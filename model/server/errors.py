"""The two ways in which the server says no: to a model or setting, and to a request."""


class RefusalError(Exception):
    """The server must not serve: wrong setting, or a model that is not what its contract says."""


class RequestError(Exception):
    """The request cannot be answered, with the HTTP status and, for a wrong method, the one that is allowed."""

    def __init__(self, status: int, message: str, *, allow: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.allow = allow
