"""The two ways in which the server says no: to a model or setting, and to a request."""


class RefusalError(Exception):
    """The server must not serve: wrong setting, or a model that is not what its contract says."""


class RequestError(Exception):
    """The request cannot be answered, with the HTTP status, and further headers of the answer."""

    def __init__(self, status: int, message: str, *, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


def overloaded(message: str) -> RequestError:
    """503 for what may well be answered if it is sent again, a little later or to another replica."""
    return RequestError(503, message, headers=(("retry-after", "1"),))
