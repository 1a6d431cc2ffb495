"""What a model's server reads at its start: settings as variables and files, secrets as files or variables."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core.v1 import ConfigMap, Secret

from components.planning.pod import PodSecrets
from components.planning.settings import Secrets, external_name


@dataclass(frozen=True, kw_only=True)
class ModelSettingsArgs:
    """Settings and files by their names, and secrets.

    Attributes:
        secrets: what the model's secrets are and where they come from.
        values: of the secrets in the stack's configuration, by key.
    """

    model: str
    namespace: pulumi.Input[str]
    labels: Mapping[str, str]
    environment: Mapping[str, str]
    files: Mapping[str, str]
    secrets: Secrets
    values: Mapping[str, pulumi.Input[str]]


class ModelSettings(pulumi.ComponentResource):
    """ConfigMaps (variables; files, where there are some) and, where the model has secrets, a Secret.

    All are immutable and named by Pulumi. So a changed value is a new object with a new name, pods that use it are new
    pods, and a rollout that fails leaves the old pods with the old values.

    Secrets in a store are an ExternalSecret, named after what it asks for, so that other questions are new pods too.
    """

    config_map_name: pulumi.Output[str]
    files_name: pulumi.Output[str] | None
    secrets: tuple[PodSecrets, ...]
    """The Secrets of the pods, those that others made among them."""

    def __init__(self, name: str, args: ModelSettingsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:model:ModelSettings", name, None, opts)
        self.config_map_name = self._config_map(f"{name}-settings", args, args.environment)
        self.files_name = self._config_map(f"{name}-files", args, args.files) if args.files else None
        own = self._secret(name, args) if args.secrets.values else ()
        external = self._external_secret(name, args) if args.secrets.external else ()
        existing = (PodSecrets(name=secret, keys=keys) for secret, keys in args.secrets.existing.items())
        self.secrets = (*own, *external, *existing)
        self.register_outputs(
            {"configMapName": self.config_map_name, "secretNames": [secret.name for secret in self.secrets]}
        )

    def _config_map(self, name: str, args: ModelSettingsArgs, data: Mapping[str, str]) -> pulumi.Output[str]:
        config_map = ConfigMap(
            name,
            metadata={"namespace": args.namespace, "labels": args.labels},
            data=data,
            immutable=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return config_map.metadata.apply(lambda metadata: metadata.name or "")

    def _secret(self, name: str, args: ModelSettingsArgs) -> tuple[PodSecrets]:
        secret = Secret(
            f"{name}-secrets",
            metadata={"namespace": args.namespace, "labels": args.labels},
            string_data={key: args.values[configured] for key, configured in args.secrets.values.items()},
            immutable=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        made = secret.metadata.apply(lambda metadata: metadata.name or "")
        return (PodSecrets(name=made, keys=args.secrets.own),)

    def _external_secret(self, name: str, args: ModelSettingsArgs) -> tuple[PodSecrets]:
        # Few stacks have one, and a preview waits for every import.
        from pulumi_kubernetes.apiextensions import CustomResource

        secret = external_name(args.model, args.secrets.external)
        CustomResource(
            f"{name}-external",
            api_version="external-secrets.io/v1",
            kind="ExternalSecret",
            metadata={"name": secret, "namespace": args.namespace, "labels": args.labels},
            spec={
                # Other values in the store reach the Secret, and so the files, within this time.
                "refreshInterval": "1h",
                "target": {"name": secret, "creationPolicy": "Owner"},
                "data": args.secrets.external,
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        return (PodSecrets(name=secret, keys=args.secrets.from_stores),)
