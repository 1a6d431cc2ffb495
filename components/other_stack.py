"""What other stacks tell, read while the program runs."""

from typing import Any

import pulumi
from pulumi.runtime.sync_await import _sync_await


def told_by(stack: str, output: str, resource: str) -> Any:
    """An output of another stack; None if it has none of that name, or a secret one.

    It is read here and now, in a preview too: what follows from it has to be an error before anything is changed.

    Args:
        stack: <organization>/<project>/<stack>.
        resource: the name of the stack reference among this stack's resources.
    """
    # Nobody's child: it would be read only after all that its parent waits for, which are builds.
    reference = pulumi.StackReference(resource, stack_name=stack)
    # What the SDK's own invocations do to give a plain value.
    return _sync_await(reference.get_output_details(output)).value
