"""The command: a comment from a preview made now, or from one that was kept."""

import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

from toolchain import engine, lock, operations
from toolchain.errors import ToolchainError
from toolchain.kube import Kube
from toolchain.progress import Progress, err
from toolchain.review import files, preview
from toolchain.review.comment import comment
from toolchain.stack import Stack

_UNREACHED = "cluster not reached: this preview saw no live state"
_KEPT = "made from a kept preview, which does not tell whether the cluster was reached"


def write(stack: Stack, *, kept: Path | None, base: str, output: Path | None) -> int:
    """Write the comment to ``output``, or print it. Returns the exit code of the preview.

    ``kept`` is a file with what `pulumi preview --json` printed, "-" for standard input; without one, the preview is
    made now. ``base`` is the branch that changed files are counted from. Raises ToolchainError.
    """
    code = 0
    if kept is None:
        code, text = _preview(stack)
        warnings = [] if stack.docker or _reached(stack) else [_UNREACHED]
    else:
        text = sys.stdin.read() if str(kept) == "-" else _content(kept)
        warnings = [_KEPT]
    body = comment(
        titled(preview.read(text), stack), stack.name, files=files.changed_files(stack, base), warnings=warnings
    )
    if output is None:
        sys.stdout.write(body)
    else:
        output.write_text(body)
    return code


def titled(found: preview.Preview, stack: Stack) -> preview.Preview:
    """With each model under its name in the stack file, which a renamed one has nowhere else."""
    titles = {stack.served_name(name): name for name in stack.models}
    changes = (replace(change, model=titles.get(change.model or "", change.model)) for change in found.changes)
    return replace(found, changes=tuple(changes))


def _content(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        raise ToolchainError(f"read {file}", error.strerror or str(error)) from None


def _preview(stack: Stack) -> tuple[int, str]:
    """Exit code and events of a preview. All that is said meanwhile goes to standard error."""
    with redirect_stdout(sys.stderr), lock.of_stack(stack):
        operations.ready(stack, Progress(err))
        return engine.events(stack, "preview", operations.refresh_option(stack))


def _reached(stack: Stack) -> bool:
    try:
        Kube(stack).get("/version")
    except ToolchainError:
        return False
    return True
