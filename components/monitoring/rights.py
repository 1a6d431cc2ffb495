"""What the pods of monitoring may read."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes.rbac.v1 import ClusterRole, ClusterRoleBinding, Role, RoleBinding

if TYPE_CHECKING:
    from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict
    from pulumi_kubernetes.rbac.v1 import PolicyRuleArgsDict, RoleRefArgsDict, SubjectArgsDict

_GROUP = "rbac.authorization.k8s.io"


def grant(
    name: str,
    account: "SubjectArgsDict",
    rules: "Sequence[pulumi.Input[PolicyRuleArgsDict]]",
    namespace: pulumi.Input[str] | None,
    labels: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> None:
    """A role of an account in a namespace, or, where that is None, in the whole cluster."""
    if namespace is None:
        everywhere: ObjectMetaArgsDict = {"labels": labels}
        role = ClusterRole(name, metadata=everywhere, rules=rules, opts=opts)
        bound: RoleRefArgsDict = {"api_group": _GROUP, "kind": "ClusterRole", "name": _name_of(role)}
        ClusterRoleBinding(name, metadata=everywhere, role_ref=bound, subjects=[account], opts=opts)
    else:
        within: ObjectMetaArgsDict = {"namespace": namespace, "labels": labels}
        role = Role(name, metadata=within, rules=rules, opts=opts)
        bound: RoleRefArgsDict = {"api_group": _GROUP, "kind": "Role", "name": _name_of(role)}
        RoleBinding(name, metadata=within, role_ref=bound, subjects=[account], opts=opts)


def _name_of(role: Role | ClusterRole) -> pulumi.Output[str]:
    return role.metadata.apply(lambda metadata: metadata.name or "")
