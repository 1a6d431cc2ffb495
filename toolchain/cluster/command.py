"""Running short commands."""

import os
import subprocess
from collections.abc import Mapping, Sequence

from toolchain.cluster.errors import ClusterError


def run(
    argv: Sequence[str],
    *,
    what: str,
    environment: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float = 60.0,
) -> str:
    """Standard output of a command that has to succeed.

    Raises ClusterError, headed by ``what``, with the end of what the command said when it fails, is missing, or takes
    longer than ``timeout`` seconds.
    """
    try:
        done = subprocess.run(
            argv,
            env={**os.environ, **(environment or {})},
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{what}: {argv[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{what}: `{' '.join(argv)}` took longer than {timeout:.0f} s") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise ClusterError(f"{what}: `{' '.join(argv)}` failed with {done.returncode}: {said}")
    return done.stdout
