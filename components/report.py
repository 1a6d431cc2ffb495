"""How a user's mistake is shown: one Pulumi diagnostic, no traceback, a failing exit status."""

from collections.abc import Iterator
from contextlib import contextmanager

import pulumi

from components.errors import UserError

# The status with which a Python program tells Pulumi's language host that it has explained itself. After any other
# the host adds "Program exited with non-zero exit code".
EXPLAINED = 32


@contextmanager
def reported_user_errors() -> Iterator[None]:
    """Show a UserError as one diagnostic and end the program.

    Raises:
        SystemExit: in place of a UserError.
    """
    try:
        yield
    except UserError as error:
        pulumi.log.error(str(error))
        raise SystemExit(EXPLAINED) from None
