"""Who may talk to the models of a stack, and whom they may call."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.networking.v1 import NetworkPolicy

from components.planning import network
from components.planning.names import stack_labels


@dataclass(frozen=True, kw_only=True)
class NetworkPoliciesArgs:
    """The namespace, whether all of it is the stack's, and the policy of each model by its name."""

    namespace: pulumi.Input[str]
    models: Mapping[str, network.Policy]
    whole_namespace: bool = True


class NetworkPolicies(pulumi.ComponentResource):
    """A policy that denies everything in a namespace of our own, and one for each model that opens what it needs.

    What each of them opens is written on it, for whoever looks for a request that does not arrive.
    """

    def __init__(self, name: str, args: NetworkPoliciesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:stack:NetworkPolicies", name, None, opts)
        policies = {f"{name}-default-deny": network.default_deny()} if args.whole_namespace else {}
        policies |= {f"{model}-network": policy for model, policy in args.models.items()}
        for policy_name, policy in policies.items():
            NetworkPolicy(
                policy_name,
                metadata={
                    "namespace": args.namespace,
                    "labels": stack_labels(),
                    "annotations": {"kubernetes.io/description": policy.description},
                },
                spec=policy.spec,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
