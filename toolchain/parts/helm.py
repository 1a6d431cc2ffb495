"""Helm, which the Kubernetes plugin's stand-in renders charts with. The official plugin has it built in."""

import functools

from toolchain import versions
from toolchain.parts import detect
from toolchain.parts.build import go_module
from toolchain.parts.download import Release
from toolchain.parts.model import Part, numbers

_OLDEST, _TOO_NEW = (3, 14), (4,)


@functools.cache
def helm() -> Part:
    """The chart renderer. It is had only when it is asked for: no stack needs it that has no chart.

    Helm 4 will not do: its `template` can look objects up only by a dry run of an installation, which fails for objects
    that exist and for kinds that do not.
    """
    release = f"https://get.helm.sh/helm-v{versions.HELM}-{{os}}-{{arch}}.tar.gz"
    built = go_module(
        "helm",
        "helm.sh/helm/v3/cmd/helm",
        ldflags=f"-X helm.sh/helm/v3/internal/version.version=v{versions.HELM}",
    )
    return Part(
        name="Helm",
        version=versions.HELM,
        executables=("helm",),
        detect=detect.programs("helm", version=("version", "--short"), pinned=versions.HELM, accept=_accept),
        sources=(
            Release(
                url=release,
                checksums=f"{release}.sha256sum",
                programs=("helm",),
                members="{os}-{arch}/",
                systems=("linux", "darwin"),
            ),
            built,
        ),
        key=built.key,
    )


def _accept(version: str, pinned: str) -> bool:
    return _OLDEST <= numbers(version) < _TOO_NEW
