"""The connection to the cluster that a stack names."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.config import ClusterConfig
from components.errors import UserError


def cluster_provider(cluster: ClusterConfig, secrets: Mapping[str, pulumi.Input[str]]) -> kubernetes.Provider:
    """The provider of `cluster`: by a context of the ambient kubeconfig ("local" is its current one), by a kubeconfig
    among the `secrets` of the stack, or by one that another stack puts out.

    Objects belong to the cluster by the name in the configuration, not by an address or a file: neither another path
    of the kubeconfig nor a new proxy or certificate in it makes Pulumi replace everything.
    """
    return kubernetes.Provider(
        "cluster",
        context=None if cluster.local else cluster.context,
        cluster_identifier=cluster.identifier,
        kubeconfig=_kubeconfig(cluster, secrets),
    )


def _kubeconfig(cluster: ClusterConfig, secrets: Mapping[str, pulumi.Input[str]]) -> pulumi.Input[str]:
    if cluster.kubeconfig is not None:
        return pulumi.Output.secret(secrets[cluster.kubeconfig])
    if cluster.from_ is None:
        # Empty, the provider looks for the kubeconfig as kubectl does. Left out, the SDK would put the value of
        # KUBECONFIG here, and with it a path of one machine into the state that all machines share.
        return ""
    stack, output = cluster.from_.stack, cluster.from_.output
    outputs = pulumi.StackReference("cluster-stack", stack_name=stack).outputs
    # Secret, whatever the other stack thinks of it. The check cannot wait for another place: only the engine can read
    # another stack, and with an empty kubeconfig the provider would take whichever cluster this machine has.
    return pulumi.Output.secret(outputs.apply(lambda values: kubeconfig_of(values, stack, output)))


def kubeconfig_of(outputs: Mapping[str, Any], stack: str, output: str) -> str:
    """The kubeconfig among the outputs of another stack, which may be an object of YAML's too.

    Raises:
        UserError: there is none.
    """
    value = outputs.get(output)
    if not value:
        known = ", ".join(sorted(outputs)) or "none"
        raise UserError(f"model-serving:cluster.from.output: stack {stack} has no output {output}; it has: {known}")
    return value if isinstance(value, str) else json.dumps(value)
