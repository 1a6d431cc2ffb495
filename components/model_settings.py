"""What a model's server reads at its start: settings as environment variables, secrets as files."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import ConfigMap, Secret


@dataclass(frozen=True, kw_only=True)
class ModelSettingsArgs:
    """Settings and secrets by their names, files of settings by theirs."""

    namespace: pulumi.Input[str]
    labels: Mapping[str, str]
    environment: Mapping[str, str]
    files: Mapping[str, str]
    secrets: Mapping[str, pulumi.Input[str]]


class ModelSettings(pulumi.ComponentResource):
    """ConfigMaps (variables; files, where the server wants some) and, where the model has secrets, a Secret.

    All are immutable and named by Pulumi. So a changed value is a new object with a new name, pods that use it are new
    pods, and a rollout that fails leaves the old pods with the old values.
    """

    config_map_name: pulumi.Output[str]
    files_name: pulumi.Output[str] | None
    secret_name: pulumi.Output[str] | None

    def __init__(self, name: str, args: ModelSettingsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:model:ModelSettings", name, None, opts)
        self.config_map_name = self._config_map(f"{name}-settings", args, args.environment)
        self.files_name = self._config_map(f"{name}-files", args, args.files) if args.files else None
        self.secret_name = None
        if args.secrets:
            secret = Secret(
                f"{name}-secrets",
                metadata={"namespace": args.namespace, "labels": args.labels},
                string_data=args.secrets,
                immutable=True,
                opts=pulumi.ResourceOptions(parent=self),
            )
            self.secret_name = secret.metadata.apply(lambda metadata: metadata.name or "")
        self.register_outputs({"configMapName": self.config_map_name, "secretName": self.secret_name})

    def _config_map(self, name: str, args: ModelSettingsArgs, data: Mapping[str, str]) -> pulumi.Output[str]:
        config_map = ConfigMap(
            name,
            metadata={"namespace": args.namespace, "labels": args.labels},
            data=data,
            immutable=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return config_map.metadata.apply(lambda metadata: metadata.name or "")
