"""What somebody else changed in a stack's cluster: the fields that the program owns, and objects that are gone."""

from contextlib import redirect_stdout
from sys import stderr

from toolchain import engine, lock, operations
from toolchain.errors import ToolchainError
from toolchain.progress import Progress, out
from toolchain.review.preview import Change, read_refresh
from toolchain.review.values import told
from toolchain.stack import Stack

# What Pulumi ends with when it is told to expect no changes and there are some.
DRIFTED = 7


def report(stack: Stack, progress: Progress) -> int:
    """Print each object that differs from what was deployed. Returns 0 if none does, else 7.

    Raises ToolchainError where nothing was deployed or the cluster cannot be asked.
    """
    if not engine.exists(stack):
        raise ToolchainError(f"look for drift of stack {stack.name}", "it was never deployed", "Run: make up")
    with redirect_stdout(stderr), lock.of_stack(stack):
        operations.ready(stack, progress)
        code, text = engine.events(stack, "refresh", ["--preview-only", "--expect-no-changes"])
    changes, errors = read_refresh(text)
    # Without a cluster the Kubernetes provider has nothing to compare with; that is not "no drift".
    if errors or code not in (0, DRIFTED):
        raise ToolchainError(
            f"look for drift of stack {stack.name}", "\n".join(errors) or f"pulumi refresh ended with {code}"
        )
    if not changes:
        out.print(f"stack {stack.name}: nothing differs from what was deployed", markup=False)
        return 0
    several = len(changes) != 1
    out.print(
        f"stack {stack.name}: {len(changes)} object{'s' * several} differ{'s' * (not several)} from what was deployed",
        markup=False,
    )
    for change in changes:
        out.print(f"{change.kind} {_name(change)}" + (f" of {change.model}" if change.model else ""), markup=False)
        for line in _differences(change):
            out.print(f"  {line}", markup=False)
    out.print(f"To take it back: make up STACK={stack.name} REFRESH=yes", markup=False)
    return DRIFTED


def _name(change: Change) -> str:
    metadata = change.old.get("metadata") or {}
    return "/".join(str(part) for part in (metadata.get("namespace"), metadata.get("name") or change.name) if part)


def _differences(change: Change) -> list[str]:
    if change.operation == "delete":
        return ["is gone"]
    lines = []
    for path in change.paths:
        values = told(change, path)
        lines.append(
            path + (f": {' -> '.join('none' if value is None else value for value in values)}" if values else "")
        )
    return lines
