"""The pods of a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import ServiceAccount
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

from components.config import ModelConfig
from components.planning import rollout, scaling
from components.planning.names import VERSION_LABEL, version_of
from components.planning.pod import PodInputs, PodSecrets, annotations, pod_spec
from components.planning.pools import NodePool
from components.planning.runtimes import Runtime
from components.planning.settings import identity_annotations, identity_labels

if TYPE_CHECKING:
    from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict


@dataclass(frozen=True, kw_only=True)
class ModelDeploymentArgs:
    """What runs and how.

    Attributes:
        selector: labels that tell this model's pods from all others; they never change.
        image: repository@sha256:<digest>.
        settings: name of the ConfigMap with the server's environment.
        settings_files: name of the ConfigMap whose keys become files, if there is one.
        secrets: the Secrets whose keys become files and variables.
        annotations: of the pods: what replaces them when it changes, and nothing else would.
        pull_secret: name of the Secret with the registry's credentials, if the nodes need one.
        protect: whether Pulumi refuses to delete the Deployment.
        pool: whose nodes run it; any node without one.
    """

    config: ModelConfig
    runtime: Runtime
    namespace: pulumi.Input[str]
    selector: Mapping[str, str]
    image: pulumi.Input[str]
    settings: pulumi.Input[str]
    settings_files: pulumi.Input[str] | None = None
    secrets: tuple[PodSecrets, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    pull_secret: pulumi.Input[str] | None = None
    protect: bool = False
    pool: NodePool | None = None


class ModelDeployment(pulumi.ComponentResource):
    """A Deployment that neither updates nor drained nodes take below its budget, under an account without rights.

    Its number of pods has one owner: this program, or the autoscaler that ServedModel puts beside it.
    """

    deployment_name: pulumi.Output[str]

    def __init__(self, name: str, args: ModelDeploymentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:model:ModelDeployment", name, None, opts)
        selector = dict(args.selector)
        version = pulumi.Output.from_input(args.image).apply(version_of)
        labels = {**selector, VERSION_LABEL: version}
        account = ServiceAccount(
            f"{name}-account",
            metadata={
                "namespace": args.namespace,
                "labels": selector,
                "annotations": identity_annotations(args.config.identity) or None,
            },
            automount_service_account_token=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        inputs = PodInputs(
            image=args.image,
            settings=args.settings,
            settings_files=args.settings_files,
            secrets=args.secrets,
            account=account.metadata.apply(lambda metadata: metadata.name or ""),
            pull_secret=args.pull_secret,
            pool=args.pool,
        )
        pod_metadata: ObjectMetaArgsDict = {"labels": labels | identity_labels(args.config.identity)}
        if told := {**annotations(args.config, inputs), **args.annotations}:
            pod_metadata["annotations"] = told
        deployment = Deployment(
            f"{name}-server",
            metadata={
                "namespace": args.namespace,
                "labels": labels,
                "annotations": _annotations(args.config),
            },
            spec={
                # What may be scaled to zero proves itself first.
                "replicas": max(args.config.replicas.min, 1),
                "selector": {"match_labels": selector},
                "strategy": rollout.strategy(args.config),
                "progress_deadline_seconds": rollout.progress_deadline(args.config),
                "revision_history_limit": 3,
                "template": {
                    "metadata": pod_metadata,
                    "spec": pod_spec(args.config, args.runtime, inputs, selector),
                },
            },
            opts=pulumi.ResourceOptions(
                parent=self,
                ignore_changes=["spec.replicas"] if args.config.replicas.scaled else None,
                protect=args.protect or None,
            ),
        )
        budget = scaling.disruption_budget(args.config, selector)
        if budget is not None:
            PodDisruptionBudget(
                f"{name}-budget",
                metadata={"namespace": args.namespace, "labels": selector},
                spec=budget,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.deployment_name = deployment.metadata.apply(lambda metadata: metadata.name or "")
        self.register_outputs({"deploymentName": self.deployment_name})


def _annotations(config: ModelConfig) -> dict[str, str]:
    annotations = {"pulumi.com/timeoutSeconds": str(rollout.await_timeout(config))}
    if not config.replicas.scaled:
        # Replicas that were an autoscaler's are taken back without asking it, which is gone.
        annotations["pulumi.com/patchForce"] = "true"
    return annotations
