"""A stand-in for the official `pulumi-resource-kubernetes`, for machines that cannot get it.

The official plugin is not in any package registry. Where it is neither installed nor downloadable, this one lets the
same programs run: any kind that the API server serves, created, updated by server-side apply, previewed by dry run,
replaced where fields are immutable, waited for (Deployment, Service, Pod, Job, PersistentVolumeClaim, deletion), read,
refreshed, imported and deleted, with the same operations, differences and exit codes; and components of such objects:
YAML files (`yaml/v2`) and Helm charts (`helm.sh/v4`). Not here, and refused by name: Helm releases and the older chart
and YAML components, Kustomize, patch resources, client-side apply, rendering to files, `pulumi.com/waitFor`.
Run as `python -m toolchain.kubernetes_plugin ENGINE_ADDRESS`; it prints the port it listens on.
"""
