"""What reads the workflows of continuous integration; only their test needs it."""

import functools

from toolchain import versions
from toolchain.parts import detect
from toolchain.parts.build import go_module
from toolchain.parts.download import github_archive
from toolchain.parts.model import Part


@functools.cache
def actionlint() -> Part:
    """The linter of GitHub's workflows. Its package on PyPI downloads the program while it is installed."""
    built = go_module(
        "actionlint",
        "github.com/rhysd/actionlint/cmd/actionlint",
        ldflags=f"-X github.com/rhysd/actionlint.version={versions.ACTIONLINT}",
    )
    return Part(
        name="actionlint",
        version=versions.ACTIONLINT,
        executables=("actionlint",),
        detect=detect.programs("actionlint", version=("-version",), pinned=versions.ACTIONLINT),
        sources=(github_archive("actionlint", "rhysd/actionlint", versions.ACTIONLINT), built),
        key=built.key,
    )
