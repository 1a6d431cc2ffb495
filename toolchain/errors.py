"""What the toolchain raises for its user."""


class ToolchainError(Exception):
    """A failure that the user can act on: which step, why, and what to do.

    ``why`` may hold several lines, such as the end of a tool's output.
    """

    def __init__(self, step: str, why: str, todo: str = "") -> None:
        self.step, self.why, self.todo = step, why, todo
        super().__init__("\n".join(filter(None, [f"{step}: {why}", todo])))


class DiskFull(ToolchainError):
    """A disk is full: no other way to the same end helps."""
