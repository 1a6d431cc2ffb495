"""Entry point: ``python3 -m toolchain COMMAND`` with nothing but a Python.

Only the standard library is used here, until the toolchain's own virtual environment exists; the command line then runs
in it. No environment variable carries anything over: what Pulumi starts later must see the user's environment.
"""

import os
import sys

from toolchain import paths

_ENTER = "import sys; sys.path.insert(0, sys.argv.pop(1)); from toolchain.cli import run; run()"


def main() -> None:
    """Enter the toolchain's virtual environment and run the command line there."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs an older Python is told here
        version = ".".join(map(str, sys.version_info[:3]))
        sys.exit(f"error: Python 3.11 or newer is needed, and {sys.executable} is {version}")

    from toolchain import venv  # after the check: it may use what older Pythons lack

    try:
        python = str(venv.ensure(paths.REPOSITORY / "toolchain" / "requirements.txt"))
    except venv.EnvironmentFailure as failure:
        sys.exit(f"error: {failure}")
    os.execv(python, [python, "-c", _ENTER, str(paths.REPOSITORY), *sys.argv[1:]])


if __name__ == "__main__":
    main()
