"""Entry point: ``python3 -m toolchain COMMAND`` with nothing but a Python.

Only the standard library is used here, until the toolchain's own virtual environment exists; the command line then runs
in it. No environment variable carries anything over: what Pulumi starts later must see the user's environment.
"""

import os
import sys

from toolchain import paths

_ENTER = "import sys; sys.path.insert(0, sys.argv.pop(1)); from toolchain.__main__ import enter; enter()"


def main() -> None:
    """Enter the toolchain's virtual environment and run the command line there."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs an older Python is told here
        version = ".".join(map(str, sys.version_info[:3]))
        sys.exit(f"error: Python 3.11 or newer is needed, and {sys.executable} is {version}")

    from toolchain import interruption, venv  # after the check: they may use what older Pythons lack
    from toolchain.errors import ToolchainError

    with interruption.told():
        try:
            python = str(venv.ensure(paths.REPOSITORY / "toolchain" / "requirements.txt"))
        except ToolchainError as failure:
            sys.exit(f"error: {failure}")
        os.execv(python, [python, "-c", _ENTER, str(paths.REPOSITORY), *sys.argv[1:]])


def enter() -> None:
    """The command line, in the virtual environment."""
    from toolchain import interruption

    with interruption.told():
        from toolchain.cli import run  # takes half a second, in which Ctrl-C may come

        run()


if __name__ == "__main__":
    main()
