"""What every container that this program declares has in common: Pod Security `restricted`, and its resources."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi_kubernetes.core.v1 import (
        PodSecurityContextArgsDict,
        ResourceRequirementsArgsDict,
        SecurityContextArgsDict,
    )

    from components.config import ResourcesConfig


def restricted_pod(user: int) -> "PodSecurityContextArgsDict":
    """A pod's security context that Pod Security `restricted` admits."""
    return {
        "run_as_non_root": True,
        "run_as_user": user,
        "run_as_group": user,
        # Files of Secrets belong to root; their group is what lets the process read them.
        "fs_group": user,
        "seccomp_profile": {"type": "RuntimeDefault"},
    }


def restricted_container() -> "SecurityContextArgsDict":
    """A container's security context that Pod Security `restricted` admits."""
    return {
        "allow_privilege_escalation": False,
        "read_only_root_filesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def requirements(resources: "ResourcesConfig") -> "ResourceRequirementsArgsDict":
    """A container's requests and limits."""
    return {
        "requests": resources.requests.model_dump(exclude_none=True),
        "limits": resources.limits.model_dump(exclude_none=True),
    }
