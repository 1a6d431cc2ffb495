"""Add-ons of the local cluster: each is had only when a stack or a test asks for it.

Their projects publish images, and no programs with a checksum: they are built from their modules.
"""

import functools

from toolchain import versions
from toolchain.parts.build import go_module
from toolchain.parts.model import Part

# As files of the part, beside the program.
KARPENTER_DEFINITIONS = (
    "karpenter.sh_nodepools.yaml",
    "karpenter.sh_nodeclaims.yaml",
    "karpenter.sh_nodeoverlays.yaml",
    "karpenter.kwok.sh_kwoknodeclasses.yaml",
)


@functools.cache
def metrics_server() -> Part:
    """Measures what pods use, for autoscalers and `kubectl top`."""
    built = go_module(
        "metrics-server",
        "sigs.k8s.io/metrics-server/cmd/metrics-server",
        ldflags=f"-X k8s.io/client-go/pkg/version.gitVersion=v{versions.METRICS_SERVER}",
    )
    return Part(
        name="metrics-server",
        version=versions.METRICS_SERVER,
        executables=("metrics-server",),
        sources=(built,),
        key=built.key,
    )


@functools.cache
def kwok() -> Part:
    """Simulates nodes and the pods on them."""
    built = go_module("kwok", "sigs.k8s.io/kwok/cmd/kwok")
    return Part(name="kwok", version=versions.KWOK, executables=("kwok",), sources=(built,), key=built.key)


@functools.cache
def karpenter() -> Part:
    """Karpenter with the provider that creates simulated nodes, and its definitions of custom resources."""
    module = "sigs.k8s.io/karpenter"
    built = go_module(
        "karpenter",
        f"{module}/kwok",
        ldflags=f"-X {module}/pkg/operator.Version={versions.KARPENTER}",
        rename=("kwok", "karpenter"),
        extra=tuple(
            (module, f"kwok/apis/crds/{name}" if "kwok" in name else f"pkg/apis/crds/{name}")
            for name in KARPENTER_DEFINITIONS
        ),
    )
    return Part(
        name="Karpenter",
        version=versions.KARPENTER,
        executables=("karpenter",),
        sources=(built,),
        key=built.key,
    )
