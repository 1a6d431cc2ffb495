"""The connection to the cluster that a stack names."""

import pulumi_kubernetes as kubernetes

LOCAL = "local"


def cluster_provider(cluster: str) -> kubernetes.Provider:
    """The provider of `cluster`: "local" is the current context of the ambient kubeconfig, else a context's name.

    Objects belong to the cluster by that name, not by an address or a file: neither another path of the kubeconfig
    nor a new proxy in it makes Pulumi replace everything.
    """
    return kubernetes.Provider(
        "cluster",
        context=None if cluster == LOCAL else cluster,
        cluster_identifier=cluster,
        # Empty, the provider looks for the kubeconfig as kubectl does. Left out, the SDK would put the value of
        # KUBECONFIG here, and with it a path of one machine into the state that all machines share.
        kubeconfig="",
    )
